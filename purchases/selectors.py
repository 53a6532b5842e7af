"""Looking rounds up, with what was asked of the wallet for them (contract section 7)."""

from collections.abc import Sequence
from typing import Any

from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan

from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.fields import print_moment
from lootbox.core.ids import Prefix, parse_public_id
from lootbox.core.pagination import Page, Position, paginate
from operators.models import Operator, Player
from purchases import rounds
from purchases.models import Round, RoundState
from purchases.rounds import RoundFacts
from wallet.models import CallState, WalletCall


def round_facts(*, operator: Operator, round_public_id: str, player: str | None = None) -> RoundFacts:
    """Return a round of this operator, and of this player where one is named. Raises `ROUND_NOT_FOUND`."""
    round_id = parse_public_id(Prefix.ROUND, round_public_id)
    facts = rounds.load(operator=operator, round_id=round_id) if round_id else None
    if facts is None or (player is not None and facts.player != player):
        raise ApiError(ErrorCode.ROUND_NOT_FOUND)
    return facts


def round_with_calls(*, operator: Operator, round_public_id: str, player: str | None = None) -> dict[str, Any]:
    """Return the round as a purchase answers it, with every wallet call that was made for it. Raises `ROUND_NOT_FOUND`."""
    facts = round_facts(operator=operator, round_public_id=round_public_id, player=player)
    calls = WalletCall.objects.filter(operator=operator, round_id=facts.id).order_by("created_at", "id")
    return {"round": facts.as_json(operator=operator) | {"walletCalls": [_call_json(call) for call in calls]}}


def player_rounds(
    *, operator: Operator, player: Player, held_only: bool, position: Position | None, limit: int
) -> Page[RoundFacts]:
    """Return a page of a player's rounds, newest first; with `held_only` those that wait unopened in the vault."""

    def fetch(position: Position | None, limit: int) -> Sequence[RoundFacts]:
        found = Round.objects.filter(operator=operator, player=player, **({"state": RoundState.HELD} if held_only else {}))
        place, backwards = Tuple("purchased_at", "id"), position is not None and position.backwards
        if position is not None:
            beyond = TupleGreaterThan if backwards else TupleLessThan
            found = found.filter(beyond(place, (position.moment, position.row_id)))
        order = ("purchased_at", "id") if backwards else ("-purchased_at", "-id")
        return rounds.load_all(operator=operator, round_ids=list(found.order_by(*order).values_list("id", flat=True)[:limit]))

    return paginate(fetch=fetch, key=lambda facts: (facts.purchased_at, facts.id), position=position, limit=limit)


def find_player(*, operator: Operator, external_id: str) -> Player | None:
    """Return the player of this operator, None for one that never played."""
    return Player.objects.filter(operator=operator, external_id=external_id).first()


def _call_json(call: WalletCall) -> dict[str, Any]:
    return {
        "type": call.type,
        "idempotencyKey": call.idempotency_key,
        "amountMinor": call.amount_minor,
        "currency": call.currency,
        # A call that people closed, or a rollback undid, moved nothing in the end.
        "state": CallState.REFUSED.value if call.state == CallState.CLOSED else call.state,
        "attempts": call.attempts,
        "errorCode": call.error_code or None,
        "providerTxnRef": call.provider_txn_ref or None,
        "lastAttemptAt": print_moment(call.last_attempt_at) if call.last_attempt_at else None,
    }
