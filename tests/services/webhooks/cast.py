"""A stage for deliveries: an operator that listens, a dispatcher, and a clock that the test sets."""

import datetime as dt
from dataclasses import dataclass, field

from django.utils import timezone

from operators.audit import By
from operators.models import Operator
from tests.faulty_server import FaultyServer
from webhooks.delivery import Dispatcher

SAM = By("sam", "the receiver was down")


@dataclass
class Clock:
    """Stands still until told to move on. It begins with the real time, as verifiers look at theirs."""

    now: dt.datetime = field(default_factory=timezone.now)

    def __call__(self) -> dt.datetime:
        """Return the time."""
        return self.now

    def advance(self, **span: float) -> None:
        """Let time pass."""
        self.now += dt.timedelta(**span)


@dataclass
class Stage:
    """Who plays in a test about deliveries; `secret` is the operator's outbound secret."""

    operator: Operator
    secret: str
    receiver: FaultyServer
    dispatcher: Dispatcher
    clock: Clock

    def run(self) -> int:
        """Return how many attempts were made of what is due."""
        return self.dispatcher.run(until=self.clock.now + dt.timedelta(minutes=1))


def listening(operator: Operator, receiver: FaultyServer) -> Operator:
    """Return the operator, its webhook URL set to the receiver's."""
    operator.webhook_url = receiver.url("/hooks?token=hush")
    operator.save(update_fields=["webhook_url"])
    operator.refresh_from_db()
    return operator
