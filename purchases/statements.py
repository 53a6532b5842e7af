"""The purchase's own SQL: each function is one prepared statement, one round trip and, outside a phase, one commit.

Everywhere else the ORM serves; here a purchase would cost it some twenty round trips, and their number would grow with the
reels. A statement changes a round by `UPDATE … WHERE state = …` first, and everything else only where that changed a row, so
two owners can never both record an outcome.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from fairness.models import SeedState
from lootbox.core import db, strict_json
from lootbox.core.crypto import decrypt
from lootbox.core.errors import Outdated
from operators.models import Operator
from purchases.drawing import BoughtReel, DrawnReel, Seed
from purchases.models import Funding, Mode
from wallet.models import CallState
from wallet.outcomes import Outcome
from webhooks import nudge
from webhooks.outbox import PreparedEvent

# A caller that has not answered by then is taken for dead, and a retry takes over. Leases and waits go by the database's clock,
# so that no web server's clock can make two owners.
LEASE_MARGIN_S: Final = 2.0
LEASE: Final = "now() + make_interval(secs => %(lease_s)s)"
RECOVERY: Final = "now() + make_interval(secs => %(abandon_s)s)"


@dataclass(frozen=True, kw_only=True)
class Debit:
    """The debit of a round, ready to be written down: its idempotency key and the exact bytes that go out."""

    id: UUID
    idempotency_key: str
    body: bytes


@dataclass(frozen=True, kw_only=True)
class NewRound:
    """A round to be claimed for a `clientActionId`. `debit` is None where nothing is to be paid."""

    id: UUID
    action_id: UUID
    operator: Operator
    player: str
    client_action_id: str
    fingerprint: bytes
    mode: Mode
    funding: Funding
    currency: str
    bet_minor: int
    base_bet_minor: int
    rate: Decimal
    rate_source: str
    rate_at: dt.datetime | None
    reels: Sequence[BoughtReel]
    debit: Debit | None
    at: dt.datetime


@dataclass(frozen=True)
class Claim:
    """A round that is ours to go on with: its owner's fence, the seed it will be drawn with, ids for what it may win."""

    fence: int
    player_id: int
    seed: Seed
    item_ids: list[int]


CLAIM: Final = f"""
WITH caller AS (
    SELECT player.id FROM operators_player player JOIN operators_operator operator ON operator.id = player.operator_id
    WHERE operator.id = %(operator)s AND operator.version = %(operator_version)s
      AND external_id = %(player)s AND NOT blocked AND (NOT capped OR %(within_caps)s)
), action AS (
    INSERT INTO purchases_action
        (id, operator_id, player_id, client_action_id, fingerprint, kind, round_id, created_at)
    SELECT %(action)s, %(operator)s, caller.id, %(client_action_id)s, %(fingerprint)s, %(mode)s, %(round)s, %(at)s
    FROM caller
    WHERE EXISTS (SELECT FROM fairness_seedpair seed WHERE seed.player_id = caller.id AND seed.state = 'active')
      AND %(distinct_versions)s = (
        SELECT count(*) FROM catalog_boxversion version JOIN catalog_box box ON box.id = version.box_id
        WHERE version.id = ANY(%(versions)s::bigint[]) AND version.operator_id = %(operator)s
          AND version.superseded_at IS NULL AND box.active)
      AND NOT EXISTS (
        SELECT FROM wallet_breaker breaker
        WHERE %(debits)s AND breaker.operator_id = %(operator)s AND breaker.open_until > now())
    ON CONFLICT (player_id, client_action_id) DO NOTHING
    RETURNING player_id
), round AS (
    INSERT INTO purchases_round
        (id, operator_id, player_id, mode, funding, state, currency, bet_minor, base_currency, base_bet_minor,
         fx_rate, fx_source, fx_at, fence, lease_until, recover_at, purchased_at)
    SELECT %(round)s, %(operator)s, player_id, %(mode)s, %(funding)s, 'pending', %(currency)s, %(bet)s, %(base_currency)s,
        %(base_bet)s, %(rate)s, %(rate_source)s, %(rate_at)s, 1, {LEASE}, {RECOVERY}, %(at)s
    FROM action
), reel AS (
    INSERT INTO purchases_reel (operator_id, round_id, position, reel_index, box_version_id, bet_minor, base_bet_minor)
    SELECT %(operator)s, %(round)s, reel.position, reel.reel_index, reel.version_id, reel.bet, reel.base_bet
    FROM action, json_to_recordset(%(bought)s::json)
        AS reel (position int, reel_index int, version_id bigint, bet bigint, base_bet bigint)
), debit AS (
    INSERT INTO wallet_walletcall
        (id, operator_id, player_id, type, reason, idempotency_key, amount_minor, currency, base_amount_minor, base_currency,
         body, round_id, state, attempts, maybe_sent, error_code, provider_txn_ref,
         created_at, last_attempt_at, next_attempt_at)
    SELECT %(debit)s, %(operator)s, player_id, 'wallet.debit', 'purchase', %(debit_key)s, %(bet)s, %(currency)s, %(base_bet)s,
        %(base_currency)s, %(debit_body)s, %(round)s, 'pending', 1, true, '', '', %(at)s, %(at)s, {RECOVERY}
    FROM action WHERE %(debits)s
)
SELECT operator.version, claimed.* FROM operators_operator operator LEFT JOIN LATERAL (
    SELECT 1, action.player_id, seed.id, seed.server_seed, seed.server_seed_hash, seed.client_seed, seed.next_nonce,
        ARRAY(SELECT nextval('vault_inventoryitem_id_seq') FROM generate_series(1, %(reels)s::int))
    FROM action JOIN fairness_seedpair seed ON seed.player_id = action.player_id AND seed.state = 'active'
) AS claimed ON true
WHERE operator.id = %(operator)s
"""


def claim(*, new: NewRound, within_caps: bool = False) -> Claim | None:
    """Write down the round, its reels and its debit under the action id, and return the claim.

    None when nothing was written: the action exists, the player is new, blocked or capped, a version is not current, or the
    wallet's breaker is open. The caller looks which. Raises `Outdated`, and nothing is written, where the operator has changed
    since it was read.
    """
    versions = sorted({reel.box_version_id for reel in new.reels})
    [(operator_version, *claimed)] = db.rows(
        CLAIM,
        {
            "operator": new.operator.pk,
            "operator_version": new.operator.version,
            "player": new.player,
            "within_caps": within_caps,
            "action": new.action_id,
            "client_action_id": new.client_action_id,
            "fingerprint": new.fingerprint,
            "mode": new.mode.value,
            "round": new.id,
            "at": new.at,
            # As text, since an array is put together in Python, element by element.
            "versions": f"{{{','.join(map(str, versions))}}}",
            "distinct_versions": len(versions),
            "debits": new.debit is not None,
            "funding": new.funding.value,
            "currency": new.currency,
            "bet": new.bet_minor,
            "base_currency": new.operator.base_currency,
            "base_bet": new.base_bet_minor,
            "rate": new.rate,
            "rate_source": new.rate_source,
            "rate_at": new.rate_at,
            **_waits(),
            "bought": _recordset(
                {
                    "position": position,
                    "reel_index": reel.reel_index,
                    "version_id": reel.box_version_id,
                    "bet": reel.bet_minor,
                    "base_bet": reel.base_bet_minor,
                }
                for position, reel in enumerate(new.reels, start=1)
            ),
            "reels": len(new.reels),
            "debit": new.debit.id if new.debit else None,
            "debit_key": new.debit.idempotency_key if new.debit else None,
            "debit_body": new.debit.body if new.debit else None,
        },
    )
    if operator_version != new.operator.version:
        raise Outdated
    return None if claimed[0] is None else _claim(tuple(claimed))


RESUME: Final = f"""
WITH resumed AS (
    UPDATE purchases_round SET fence = fence + 1, lease_until = {LEASE}, recover_at = {RECOVERY}
    WHERE id = %(round)s AND state = 'pending' AND lease_until <= now()
    RETURNING id, player_id, fence
), debit AS (
    UPDATE wallet_walletcall
    SET attempts = attempts + 1, maybe_sent = true, last_attempt_at = %(at)s, next_attempt_at = {RECOVERY}
    FROM resumed
    WHERE wallet_walletcall.round_id = resumed.id AND reason = 'purchase' AND wallet_walletcall.state IN ('pending', 'unknown')
)
SELECT resumed.fence, resumed.player_id, seed.id, seed.server_seed, seed.server_seed_hash, seed.client_seed, seed.next_nonce,
    ARRAY(SELECT nextval('vault_inventoryitem_id_seq') FROM purchases_reel reel WHERE reel.round_id = resumed.id)
FROM resumed JOIN fairness_seedpair seed ON seed.player_id = resumed.player_id AND seed.state = 'active'
"""


def resume(*, round_id: UUID, at: dt.datetime) -> Claim | None:
    """Take over a pending round whose last caller is done or dead; None when someone is at work on it, or it is not pending."""
    answer = db.rows(RESUME, {"round": round_id, "at": at} | _waits())
    return _claim(answer[0]) if answer else None


SEED: Final = """
SELECT 0, player.id, seed.id, seed.server_seed, seed.server_seed_hash, seed.client_seed, seed.next_nonce,
    ARRAY(SELECT nextval('vault_inventoryitem_id_seq') FROM purchases_reel reel WHERE reel.round_id = %(round)s)
FROM operators_player player JOIN fairness_seedpair seed ON seed.player_id = player.id AND seed.state = 'active'
WHERE player.id = %(player)s
"""


def seed_of(*, player_id: int, round_id: UUID, lock: bool = False) -> Claim:
    """Return the active seed of a player for drawing a round; with `lock`, after locking player, seed, round in order."""
    if lock:
        params = {"player": player_id, "state": SeedState.ACTIVE.value}
        # Rotations queue on the player: the active seed that one of them is revealing would slip from the next lock unseen.
        db.rows("SELECT id FROM operators_player WHERE id = %(player)s FOR NO KEY UPDATE", params)
        db.rows("SELECT id FROM fairness_seedpair WHERE player_id = %(player)s AND state = %(state)s FOR UPDATE", params)
        db.rows("SELECT id FROM purchases_round WHERE id = %(id)s FOR UPDATE", {"id": round_id})
    return _claim(db.rows(SEED, {"player": player_id, "round": round_id})[0])


# What became of the debit, and what follows for operator and player, in the statement of the round's own change.
DEBIT: Final = f"""
debit AS (
    UPDATE wallet_walletcall
    SET state = %(debit_state)s::text, error_code = %(error_code)s, provider_txn_ref = %(txn_ref)s,
        balance_after_minor = %(balance)s,
        next_attempt_at = CASE WHEN %(debit_state)s::text = 'unknown' THEN {RECOVERY} END,
        resolved_at = CASE WHEN %(debit_state)s::text = 'unknown' THEN NULL ELSE %(at)s::timestamptz END,
        maybe_sent = %(maybe_sent)s OR attempts > 1
    FROM changed
    WHERE wallet_walletcall.round_id = changed.id AND reason = 'purchase'
      AND wallet_walletcall.state IN ('pending', 'unknown') AND %(called)s
    RETURNING wallet_walletcall.id, attempts
), attempt AS (
    INSERT INTO wallet_walletattempt (call_id, number, started_at, latency_ms, fate, http_status, detail, excerpt)
    SELECT id, attempts, %(started_at)s, %(latency_ms)s, %(fate)s, %(http_status)s, %(detail)s, %(excerpt)s FROM debit
), breaker AS (
    UPDATE wallet_breaker SET failures = 0, open_until = NULL
    FROM changed
    WHERE wallet_breaker.operator_id = changed.operator_id AND failures > 0
      AND %(called)s AND %(debit_state)s::text <> 'unknown'
)"""
EVENTS: Final = """
event AS (
    INSERT INTO webhooks_event (id, operator_id, type, subject, body, occurred_at)
    SELECT event.id, changed.operator_id, event.type, event.subject, convert_to(event.body, 'UTF8'), %(at)s
    FROM changed, json_to_recordset(%(events)s::json) AS event (id uuid, type text, subject text, body text)
    RETURNING id, operator_id
), delivery AS (
    INSERT INTO webhooks_delivery (event_id, operator_id, state, attempts, next_attempt_at)
    SELECT id, operator_id, 'due', 0, %(at)s FROM event WHERE %(delivers)s
)"""
BALANCE: Final = """
balance AS (
    UPDATE purchases_action SET balance_after_minor = %(balance)s
    FROM changed WHERE purchases_action.id = %(action)s AND %(balance)s::bigint IS NOT NULL
)"""
# Whoever draws has the seed before writing its nonce down: else one that waits for the seed with the nonce in its hand, and
# one that has the seed and wants that nonce, would wait for each other.
SEED_FIRST: Final = """
seed AS MATERIALIZED (SELECT id FROM fairness_seedpair WHERE id = %(seed)s FOR UPDATE)"""
DRAWS: Final = f"""
nonce AS (
    UPDATE fairness_seedpair SET next_nonce = next_nonce + 1
    FROM changed WHERE fairness_seedpair.id = %(seed)s AND next_nonce = %(nonce)s AND fairness_seedpair.state = 'active'
    RETURNING fairness_seedpair.id
), draw AS (
    INSERT INTO purchases_draw
        (operator_id, round_id, reel_index, box_version_id, seed_pair_id, nonce, roll, prize_id,
         value_minor, base_value_minor)
    SELECT changed.operator_id, changed.id, draw.reel_index, draw.version_id, (SELECT id FROM nonce), %(nonce)s, draw.roll,
        draw.prize_id, draw.value, draw.base_value
    FROM changed, json_to_recordset(%(draws)s::json)
        AS draw (reel_index int, version_id bigint, roll bigint, prize_id bigint, value bigint, base_value bigint)
), item AS (
    INSERT INTO vault_inventoryitem
        (id, operator_id, player_id, item_id, round_id, reel_index, name, type, value_minor, currency, state,
         created_at, expires_at)
    SELECT item.id, changed.operator_id, changed.player_id, item.item_id, changed.id, item.reel_index, item.name, item.type,
        item.value, item.currency, 'unresolved', %(at)s, %(items_expire_at)s
    FROM changed, json_to_recordset(%(items)s::json)
        AS item (id bigint, item_id bigint, reel_index int, name text, type text, value bigint, currency text)
), payout AS (
    INSERT INTO wallet_walletcall
        (id, operator_id, player_id, type, reason, idempotency_key, amount_minor, currency, base_amount_minor, base_currency,
         body, round_id, state, attempts, maybe_sent, error_code, provider_txn_ref,
         created_at, last_attempt_at, next_attempt_at)
    SELECT %(payout)s, changed.operator_id, changed.player_id, 'wallet.credit', 'payout', %(payout_key)s, %(credited)s,
        changed.currency, %(base_credited)s, changed.base_currency, %(payout_body)s, changed.id, 'pending', 1, true, '', '',
        %(at)s, %(at)s, {LEASE}
    FROM changed WHERE %(credited)s > 0
)"""
CHANGED: Final = "RETURNING id, operator_id, player_id, currency, base_currency"

SETTLE: Final = f"""
WITH {SEED_FIRST}, changed AS (
    UPDATE purchases_round
    SET state = 'settled', settled_at = %(at)s, lease_until = NULL, recover_at = NULL,
        seed_pair_id = %(seed)s, nonce = %(nonce)s,
        payout_minor = %(payout_minor)s, base_payout_minor = %(base_payout_minor)s, credited_minor = %(credited)s
    WHERE id = %(round)s AND state = 'pending' AND fence = %(fence)s AND EXISTS (SELECT FROM seed)
    {CHANGED}
), {DEBIT}, {DRAWS}, {EVENTS}, {BALANCE}
SELECT id FROM changed
"""
OPEN_HELD: Final = f"""
WITH {SEED_FIRST}, changed AS (
    UPDATE purchases_round
    SET state = 'settled', settled_at = %(at)s, expires_at = NULL, seed_pair_id = %(seed)s, nonce = %(nonce)s,
        payout_minor = %(payout_minor)s, base_payout_minor = %(base_payout_minor)s, credited_minor = %(credited)s
    WHERE id = %(round)s AND state = 'held' AND locked_by IS NULL AND EXISTS (SELECT FROM seed)
    {CHANGED}
), action AS (
    INSERT INTO purchases_action (id, operator_id, player_id, client_action_id, fingerprint, kind, round_id, created_at)
    SELECT %(action)s, operator_id, player_id, %(client_action_id)s, %(fingerprint)s, 'open_held', id, %(at)s FROM changed
), {DRAWS}, {EVENTS}
SELECT id FROM changed
"""
HOLD: Final = f"""
WITH changed AS (
    UPDATE purchases_round SET state = 'held', lease_until = NULL, recover_at = NULL, expires_at = %(expires_at)s
    WHERE id = %(round)s AND state = 'pending' AND fence = %(fence)s
    {CHANGED}
), {DEBIT}, {EVENTS}, {BALANCE}
SELECT id FROM changed
"""
VOID: Final = f"""
WITH changed AS (
    UPDATE purchases_round SET state = 'voided', ended_at = %(at)s, lease_until = NULL, recover_at = NULL
    WHERE id = %(round)s AND state = 'pending' AND fence = %(fence)s
    {CHANGED}
), {DEBIT}, {EVENTS}, {BALANCE}
SELECT id FROM changed
"""
LET_GO: Final = f"""
WITH changed AS (
    UPDATE purchases_round SET lease_until = now(), recover_at = {RECOVERY}
    WHERE id = %(round)s AND state = 'pending' AND fence = %(fence)s
    {CHANGED}
), {DEBIT}
SELECT id FROM changed
"""


@dataclass(frozen=True, kw_only=True)
class Payout:
    """The credit of a round's cash prizes, ready to be written down; amounts in the round's currency and in the base."""

    id: UUID
    idempotency_key: str
    body: bytes
    amount_minor: int
    base_amount_minor: int


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """All that a round won, ready to be written down."""

    seed: Seed
    reels: Sequence[DrawnReel]
    payout: Payout | None
    items_expire_at: dt.datetime | None

    def params(self) -> dict[str, Any]:
        """Return the parameters of DRAWS."""
        return {
            "seed": self.seed.pair_id,
            "nonce": self.seed.nonce,
            "payout_minor": sum(reel.value_minor for reel in self.reels),
            "base_payout_minor": sum(reel.base_value_minor for reel in self.reels),
            "draws": _recordset(
                {
                    "reel_index": reel.reel_index,
                    "version_id": reel.version.id,
                    "roll": reel.roll,
                    "prize_id": reel.prize.prize_id,
                    "value": reel.value_minor,
                    "base_value": reel.base_value_minor,
                }
                for reel in self.reels
            ),
            "items": _recordset(
                {
                    "id": reel.inventory_item_id,
                    "item_id": reel.prize.item_id,
                    "reel_index": reel.reel_index,
                    "name": reel.prize.name,
                    "type": reel.prize.item_type,
                    "value": reel.prize.value_minor,
                    "currency": reel.version.currency,
                }
                for reel in self.reels
                if reel.inventory_item_id is not None
            ),
            "items_expire_at": self.items_expire_at,
            "payout": self.payout.id if self.payout else None,
            "payout_key": self.payout.idempotency_key if self.payout else None,
            "payout_body": self.payout.body if self.payout else None,
            "credited": self.payout.amount_minor if self.payout else 0,
            "base_credited": self.payout.base_amount_minor if self.payout else 0,
        }


@dataclass(frozen=True, kw_only=True)
class Debited:
    """A pending round whose debit was answered: who owns it, and what the wallet said (None where nothing was to be paid)."""

    round_id: UUID
    action_id: UUID
    fence: int
    outcome: Outcome | None
    started_at: dt.datetime

    def params(self, *, at: dt.datetime) -> dict[str, Any]:
        """Return the parameters of DEBIT, BALANCE and the round's own change."""
        outcome = self.outcome
        states = {"accepted": CallState.ACCEPTED, "refused": CallState.REFUSED}
        return {
            "round": self.round_id,
            "action": self.action_id,
            "fence": self.fence,
            "at": at,
            **_waits(),
            "called": outcome is not None,
            "started_at": self.started_at,
            "debit_state": states.get(outcome.fate, CallState.UNKNOWN).value if outcome else CallState.UNKNOWN.value,
            "maybe_sent": outcome is None or outcome.fate != "not_sent",
            "fate": outcome.fate.value if outcome else "",
            "error_code": (outcome.error_code if outcome else None) or "",
            "txn_ref": (outcome.provider_txn_ref if outcome else None) or "",
            "balance": outcome.balance_after_minor if outcome else None,
            "latency_ms": outcome.latency_ms if outcome else 0,
            "http_status": outcome.http_status if outcome else None,
            "detail": outcome.detail if outcome else "",
            "excerpt": outcome.excerpt if outcome else "",
        }


def settle(*, debited: Debited, drawn: Drawn, events: Sequence[PreparedEvent], operator: Operator, at: dt.datetime) -> bool:
    """Record the accepted debit and all that was drawn; return whether the round was still ours.

    Raises `IntegrityError` when the nonce was taken meanwhile: the draws find no seed then, and the statement undoes itself.
    """
    return _with_events(SETTLE, debited.params(at=at) | drawn.params(), events, operator)


def open_held(
    *,
    round_id: UUID,
    action_id: UUID,
    client_action_id: str,
    fingerprint: bytes,
    drawn: Drawn,
    events: Sequence[PreparedEvent],
    operator: Operator,
    at: dt.datetime,
) -> bool:
    """Draw and settle a held round under a new action id; return whether it was held and not locked.

    Raises `IntegrityError` when the nonce was taken meanwhile, or the action id is in use.
    """
    own = {"round": round_id, "action": action_id, "client_action_id": client_action_id, "fingerprint": fingerprint, "at": at}
    return _with_events(OPEN_HELD, drawn.params() | own | _waits(), events, operator)


def hold(
    *,
    debited: Debited,
    expires_at: dt.datetime | None,
    events: Sequence[PreparedEvent],
    operator: Operator,
    at: dt.datetime,
) -> bool:
    """Record the accepted debit and park the round unopened; return whether it was still ours."""
    return _with_events(HOLD, debited.params(at=at) | {"expires_at": expires_at}, events, operator)


def void(*, debited: Debited, events: Sequence[PreparedEvent], operator: Operator, at: dt.datetime) -> bool:
    """Record the refused debit and end the round; return whether it was still ours."""
    return _with_events(VOID, debited.params(at=at), events, operator)


def let_go(*, debited: Debited, at: dt.datetime) -> bool:
    """Record what the wallet said, leave the round pending for a retry, and return whether it was still ours."""
    return bool(db.rows(LET_GO, debited.params(at=at)))


PAYOUT: Final = """
WITH call AS (
    UPDATE wallet_walletcall
    SET state = %(state)s::text, error_code = %(error_code)s, provider_txn_ref = %(txn_ref)s, balance_after_minor = %(balance)s,
        next_attempt_at = CASE WHEN %(state)s::text <> 'accepted' THEN now() + make_interval(secs => %(again_in_s)s) END,
        resolved_at = CASE WHEN %(state)s::text = 'accepted' THEN %(at)s::timestamptz END
    WHERE id = %(call)s AND state IN ('pending', 'unknown') AND attempts = %(attempt)s
    RETURNING id, attempts
), attempt AS (
    INSERT INTO wallet_walletattempt (call_id, number, started_at, latency_ms, fate, http_status, detail, excerpt)
    SELECT id, attempts, %(started_at)s, %(latency_ms)s, %(fate)s, %(http_status)s, %(detail)s, %(excerpt)s FROM call
), balance AS (
    UPDATE purchases_action SET balance_after_minor = %(balance)s
    FROM call WHERE purchases_action.id = %(action)s AND %(balance)s::bigint IS NOT NULL
)
SELECT id FROM call
"""


def record_payout(
    *,
    call_id: UUID,
    attempt: int,
    action_id: UUID | None,
    outcome: Outcome,
    again_in_s: float,
    started_at: dt.datetime,
    at: dt.datetime,
) -> bool:
    """Record how the newest attempt to pay cash prizes out ended; return whether it was that, and the payout still owed.

    A refused payout is still owed, and asked for again until it lands (contract section 5). `action_id` is the call whose
    answer carries the balance, None when recovery pays.
    """
    accepted = outcome.fate == "accepted"
    params = {
        "call": call_id,
        "attempt": attempt,
        "action": action_id,
        "at": at,
        "state": (
            CallState.ACCEPTED if accepted else CallState.PENDING if outcome.fate == "refused" else CallState.UNKNOWN
        ).value,
        "again_in_s": again_in_s,
        "started_at": started_at,
        "fate": outcome.fate.value,
        "error_code": outcome.error_code or "",
        "txn_ref": outcome.provider_txn_ref or "",
        "balance": outcome.balance_after_minor,
        "latency_ms": outcome.latency_ms,
        "http_status": outcome.http_status,
        "detail": outcome.detail,
        "excerpt": outcome.excerpt,
    }
    return bool(db.rows(PAYOUT, params))


def _recordset(rows: Iterable[Mapping[str, Any]]) -> str:
    # One text in place of an array for each column: those are put together in Python, element by element, on every purchase.
    return strict_json.compact(list(rows)).decode()


def _waits() -> dict[str, float]:
    return {"lease_s": settings.LOOTBOX_WALLET_TIMEOUT_S + LEASE_MARGIN_S, "abandon_s": settings.LOOTBOX_ABANDON_AFTER_S}


def _claim(row: tuple[Any, ...]) -> Claim:
    fence, player_id, pair_id, server_seed, server_seed_hash, client_seed, nonce, item_ids = row
    return Claim(fence, player_id, Seed(pair_id, decrypt(bytes(server_seed)), server_seed_hash, client_seed, nonce), item_ids)


def _with_events(sql: str, params: dict[str, Any], events: Sequence[PreparedEvent], operator: Operator) -> bool:
    changed = db.rows(
        sql,
        params
        | {
            "events": _recordset(
                {"id": str(event.id), "type": event.type, "subject": event.subject, "body": event.body.decode()}
                for event in events
            ),
            "delivers": bool(operator.webhook_url),
        },
    )
    if changed and operator.webhook_url:
        db.after_commit(nudge.wake)
    return bool(changed)
