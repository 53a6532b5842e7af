"""The events that tell an operator of its rounds (contract section 11)."""

import datetime as dt

from catalog.models import BoxVersion
from operators.models import Operator
from purchases.rounds import RoundFacts, bonus_json
from webhooks import outbox
from webhooks.models import EventType
from webhooks.outbox import PreparedEvent


def of_round(*, event: EventType, facts: RoundFacts, operator: Operator, at: dt.datetime) -> PreparedEvent:
    """Return the event that carries the round as a purchase answers it."""
    return outbox.prepare(
        type=event,
        subject=facts.public_id,
        player_external_id=facts.player,
        data={"round": facts.as_json(operator=operator)},
        at=at,
    )


def of_settlement(*, facts: RoundFacts, operator: Operator, at: dt.datetime) -> list[PreparedEvent]:
    """Return the settlement's events: the round, then each bonus that it drew."""
    bonuses = [bonus_json(public_id=facts.public_id, reel=reel, currency=facts.currency) for reel in facts.reels]
    return [
        of_round(event=EventType.ROUND_SETTLED, facts=facts, operator=operator, at=at),
        *(
            outbox.prepare(
                type=EventType.BONUS_ENTITLEMENT,
                subject=facts.public_id,
                player_external_id=facts.player,
                data={"bonus": bonus},
                at=at,
            )
            for bonus in bonuses
            if bonus is not None
        ),
    ]


def tell_box_published(*, version: BoxVersion, at: dt.datetime, **_: object) -> None:
    """Record `box_published` in the transaction that publishes; receives `catalog.signals.box_published`."""
    box = {
        "boxId": version.box_id,
        "boxVersionId": version.pk,
        "versionNumber": version.number,
        "slug": version.box.slug,
    }
    event = outbox.prepare(
        type=EventType.BOX_PUBLISHED, subject=version.box.slug[:40], player_external_id=None, data={"box": box}, at=at
    )
    outbox.record(operator=version.operator, event=event, at=at)
