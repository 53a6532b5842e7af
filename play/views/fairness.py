"""A player's seeds in a session (contract sections 8 and 9)."""

import secrets

from rest_framework.request import Request

from fairness import selectors, serializers, services
from lootbox.core.answers import Answer
from play.views.base import PlayView


class StateView(PlayView):
    """`GET /api/play/fairness/state`."""

    def get(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer what the next round draws with, and the seeds revealed so far."""
        return Answer(selectors.state(player=self.session.player))


class RotateView(PlayView):
    """`POST /api/play/fairness/rotate`."""

    def post(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Reveal the active server seed and go on with the next one."""
        client_seed = serializers.read_client_seed(self.read_body(optional=True))
        rotation = services.rotate(player=self.session.player, client_seed=client_seed, at=self.now, secrets=secrets.token_hex)
        return Answer(serializers.rotation(rotation))
