"""A round as the API shows it, whether it was settled a moment ago or long since (contract section 5)."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from catalog.compiled import CompiledPrize, compiled
from catalog.models import PrizeKind
from fairness.algorithm import ALGORITHM_KEY
from lootbox.core import db
from lootbox.core.errors import Outdated
from lootbox.core.fields import print_moment
from lootbox.core.ids import Prefix, public_id
from operators.models import Operator
from purchases.models import ActionKind, Funding, Mode, RoundState
from vault.cashback import Cashable, cashback_minor
from vault.models import ItemState
from wallet.models import CallState


@dataclass(frozen=True, kw_only=True)
class ShownReel:
    """One reel: what was bought, and what it drew if it was opened; values in the round's currency."""

    reel_index: int
    box_version_id: int
    prize: CompiledPrize | None
    value_minor: int | None


@dataclass(frozen=True, kw_only=True)
class ShownItem:
    """An item that a round won, as it is now."""

    inventory_item_id: int
    item_id: int
    name: str
    value_minor: int
    currency: str
    state: str
    locked: bool


@dataclass(frozen=True, kw_only=True)
class RoundFacts:
    """What there is to tell of a round, in the currency that it was bought in."""

    id: UUID
    player_id: int
    player: str
    state: RoundState
    mode: Mode
    funding: Funding
    currency: str
    bet_minor: int
    payout_minor: int | None
    purchased_at: dt.datetime
    settled_at: dt.datetime | None
    expires_at: dt.datetime | None
    undone: bool
    reels: Sequence[ShownReel]
    items: Sequence[ShownItem]
    server_seed_hash: str | None
    client_seed: str | None
    nonce: int | None
    debit_state: CallState | None
    debit_error_code: str

    @cached_property
    def public_id(self) -> str:
        """Return the id that clients see."""
        return public_id(Prefix.ROUND, self.id)

    @property
    def status(self) -> str:
        """Return the public state: what recovery has begun to undo is still pending."""
        return RoundState.PENDING.value if self.state is RoundState.UNDOING else self.state.value

    def as_json(self, *, operator: Operator) -> dict[str, Any]:
        """Return the round as a purchase answers it, cashback as the player could have it now."""
        if operator.version not in self._shown:
            self._shown[operator.version] = self._as_json(operator)
        return self._shown[operator.version]

    @cached_property
    def _shown(self) -> dict[int, dict[str, Any]]:
        # A purchase shows its round twice, in the event and in the answer.
        return {}

    def _as_json(self, operator: Operator) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "publicId": self.public_id,
            "status": self.status,
            "mode": self.mode.value,
            "funding": self.funding.value,
            "betMinor": self.bet_minor,
            "currency": self.currency,
            "boxVersionId": self.reels[0].box_version_id,
            "purchasedAt": print_moment(self.purchased_at),
        }
        if self.expires_at is not None:
            shown["expiresAt"] = print_moment(self.expires_at)
        if self.settled_at is None:
            return shown | {"reels": [_unopened(reel) for reel in self.reels]}
        return shown | {
            "payoutMinor": self.payout_minor,
            "settledAt": print_moment(self.settled_at),
            "reels": [_opened(reel) for reel in self.reels],
            "wonItems": self._won_items(operator),
            "fairness": {
                "serverSeedHash": self.server_seed_hash,
                "clientSeed": self.client_seed,
                "nonce": self.nonce,
                "algorithmKey": ALGORITHM_KEY,
            },
        }

    def brief(self) -> dict[str, Any]:
        """Return what stands beside an error: which round, and its state."""
        return {"publicId": self.public_id, "status": self.status}

    def _won_items(self, operator: Operator) -> list[dict[str, Any]]:
        if not self.items:
            return []
        cashable = [Cashable(item.item_id, item.value_minor, _open(item)) for item in self.items]
        return [
            {
                "inventoryItemId": item.inventory_item_id,
                "itemId": item.item_id,
                "name": item.name,
                "cashbackMinor": amount,
                "currency": item.currency,
                "state": item.state,
            }
            for item, amount in zip(self.items, cashback_minor(operator=operator, items=cashable), strict=True)
        ]


def _open(item: ShownItem) -> bool:
    return item.state == ItemState.UNRESOLVED and not item.locked


def _unopened(reel: ShownReel) -> dict[str, Any]:
    return {"reelIndex": reel.reel_index, "boxVersionId": reel.box_version_id}


def _opened(reel: ShownReel) -> dict[str, Any]:
    assert reel.prize is not None
    prize = {
        "itemId": reel.prize.item_id,
        "kind": reel.prize.kind,
        "name": reel.prize.name,
        "valueMinor": reel.value_minor,
    }
    return _unopened(reel) | {"prize": prize}


def bonus_json(*, public_id: str, reel: ShownReel, currency: str) -> dict[str, Any] | None:
    """Return what `bonus_entitlement` tells of a reel (contract section 11), None when it drew no bonus."""
    if reel.prize is None or reel.prize.kind != PrizeKind.BONUS:
        return None
    return {
        "roundPublicId": public_id,
        "reelIndex": reel.reel_index,
        "code": reel.prize.bonus_code,
        "name": reel.prize.name,
        "valueMinor": reel.value_minor,
        "currency": currency,
        "payload": reel.prize.bonus_payload,
    }


ROUND: Final = """
SELECT round.id, round.player_id, player.external_id, round.state, round.mode, round.funding, round.currency, round.bet_minor,
    round.payout_minor, round.purchased_at, round.settled_at, round.expires_at, round.undone_at IS NOT NULL,
    seed.server_seed_hash, seed.client_seed, round.nonce, debit.state, coalesce(debit.error_code, ''),
    (SELECT json_agg(json_build_array(reel.reel_index, reel.box_version_id, prize.index, draw.value_minor)
            ORDER BY reel.position)
        FROM purchases_reel reel
        LEFT JOIN purchases_draw draw ON draw.round_id = reel.round_id AND draw.reel_index = reel.reel_index
        LEFT JOIN catalog_prize prize ON prize.id = draw.prize_id
        WHERE reel.round_id = round.id),
    (SELECT json_agg(json_build_array(item.id, item.item_id, item.name, item.value_minor, item.currency, item.state,
            item.locked_by IS NOT NULL) ORDER BY reel.position)
        FROM vault_inventoryitem item JOIN purchases_reel reel
        ON reel.round_id = item.round_id AND reel.reel_index = item.reel_index
        WHERE item.round_id = round.id)
FROM purchases_round round
JOIN operators_player player ON player.id = round.player_id
LEFT JOIN fairness_seedpair seed ON seed.id = round.seed_pair_id
LEFT JOIN wallet_walletcall debit ON debit.round_id = round.id AND debit.reason = 'purchase'
WHERE round.id = %(round)s AND round.operator_id = %(operator)s
"""


def load(*, operator: Operator, round_id: UUID) -> RoundFacts | None:
    """Return a round of this operator as it is now, in one round trip, or None when it has none."""
    found = db.rows(ROUND, {"round": round_id, "operator": operator.pk})
    return _facts(found[0], operator) if found else None


ROUNDS: Final = f"""
SELECT shown.* FROM unnest(%(rounds)s::uuid[]) WITH ORDINALITY AS wanted (id, place),
LATERAL ({ROUND.replace("%(round)s", "wanted.id")}) AS shown
ORDER BY wanted.place
"""


def load_all(*, operator: Operator, round_ids: Sequence[UUID]) -> list[RoundFacts]:
    """Return these rounds of this operator in their order, as they are now, in one round trip."""
    found = db.rows(ROUNDS, {"rounds": list(round_ids), "operator": operator.pk})
    return [_facts(row, operator) for row in found]


@dataclass(frozen=True)
class KnownAction:
    """An action id that was used: for which request, on which round, and the wallet's last word in that call."""

    id: UUID
    fingerprint: bytes
    kind: ActionKind
    round_id: UUID
    balance_after_minor: int | None
    round: RoundFacts


ACTION: Final = f"""
SELECT operator.version, known.id, known.fingerprint, known.kind, known.balance_after_minor, shown.*
FROM purchases_action known
JOIN operators_player owner ON owner.id = known.player_id
JOIN operators_operator operator ON operator.id = owner.operator_id,
LATERAL ({ROUND.replace("%(round)s", "known.round_id")}) AS shown
WHERE owner.operator_id = %(operator)s AND owner.external_id = %(player)s AND known.client_action_id = %(client_action_id)s
"""


def find_action(*, operator: Operator, player: str, client_action_id: str) -> KnownAction | None:
    """Return what an action id of this player stands for, with its round as it is now, in one round trip.

    Raises `Outdated` where there is one and the operator has changed since it was read.
    """
    params = {"operator": operator.pk, "player": player, "client_action_id": client_action_id}
    found = db.rows(ACTION, params)
    if not found:
        return None
    version, action_id, fingerprint, kind, balance, *shown = found[0]
    if version != operator.version:
        raise Outdated
    facts = _facts(tuple(shown), operator)
    return KnownAction(action_id, bytes(fingerprint), ActionKind(kind), facts.id, balance, facts)


def _facts(row: Sequence[Any], operator: Operator) -> RoundFacts:
    *fields, seed_hash, client_seed, nonce, debit_state, debit_error_code, reels, items = row
    round_id, player_id, player, state, mode, funding, currency, bet, payout, purchased, settled, expires, undone = fields
    versions = compiled(operator_id=operator.pk, version_ids={reel[1] for reel in reels}) if settled else {}
    return RoundFacts(
        id=round_id,
        player_id=player_id,
        player=player,
        state=RoundState(state),
        mode=Mode(mode),
        funding=Funding(funding),
        currency=currency,
        bet_minor=bet,
        payout_minor=payout,
        purchased_at=purchased,
        settled_at=settled,
        expires_at=expires,
        undone=undone,
        reels=[
            ShownReel(
                reel_index=index,
                box_version_id=version,
                prize=None if prize is None else versions[version].prizes[prize],
                value_minor=value,
            )
            for index, version, prize, value in reels
        ],
        items=[
            ShownItem(
                inventory_item_id=inventory_id,
                item_id=item_id,
                name=name,
                value_minor=value,
                currency=item_currency,
                state=item_state,
                locked=locked,
            )
            for inventory_id, item_id, name, value, item_currency, item_state, locked in items or []
        ],
        server_seed_hash=seed_hash,
        client_seed=client_seed,
        nonce=nonce,
        debit_state=CallState(debit_state) if debit_state else None,
        debit_error_code=debit_error_code,
    )
