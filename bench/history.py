"""Goal H1: a page of a player's history 400,000 rows down beside the first page."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from django.db import connection

from bench.bursts import Kind, alternate, ratio
from bench.cast import Casino
from bench.programs import web_server
from bench.table import Row
from lootbox.core.pagination import Position
from operators.models import Player
from purchases import history

DEPTH: Final = 400_000
PAGES: Final = 40
NEWEST: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

# Row n is n seconds before the newest. Rounds of long ago, written without the guards that a purchase passes.
FILL: Final = """
CREATE TEMPORARY TABLE row ON COMMIT DROP AS
SELECT n, %(newest)s - n * interval '1 second' AS at,
    (lpad(to_hex((extract(epoch FROM %(newest)s) * 1000)::bigint - n * 1000), 12, '0') || lpad(to_hex(n), 20, '0'))::uuid AS id
FROM generate_series(0, %(depth)s + 1000) n;

INSERT INTO purchases_round (id, operator_id, player_id, mode, funding, state, currency, bet_minor, base_currency,
    base_bet_minor, fx_rate, fx_source, fence, purchased_at, settled_at, seed_pair_id, nonce, payout_minor, base_payout_minor,
    credited_minor)
SELECT id, %(operator)s, %(player)s, 'open', 'player', 'settled', 'EUR', 500, 'EUR', 500, 1, '', 1, at, at, 0, n, 300, 300, 0
FROM row ORDER BY n DESC;

INSERT INTO purchases_action (id, operator_id, player_id, client_action_id, fingerprint, kind, round_id, created_at)
SELECT id, %(operator)s, %(player)s, n::text, '', 'open', id, at FROM row ORDER BY n DESC;

INSERT INTO wallet_walletcall (id, operator_id, player_id, type, reason, idempotency_key, amount_minor, currency,
    base_amount_minor, base_currency, body, round_id, state, attempts, maybe_sent, error_code, provider_txn_ref, created_at,
    resolved_at)
SELECT id, %(operator)s, %(player)s, 'wallet.debit', 'purchase', 'round:' || id, 500, 'EUR', 500, 'EUR', '', id, 'accepted', 1,
    true, '', 'w-' || n, at, at
FROM row ORDER BY n DESC;
"""


def measure(casino: Casino, *, logs: Path, rounds: int, tick: Callable[[], None]) -> list[Row]:
    """Return the rows of H1."""
    player = Player.objects.create(operator=casino.made.operator, external_id="old-hand")
    _fill(casino, player)
    tick()
    place = Position(NEWEST - dt.timedelta(seconds=DEPTH), UUID(int=0), backwards=False)
    first = f"/api/s2s/history?playerExternalId={player.external_id}"
    with web_server("lootbox.wsgi", environment={}, threads=1, log=logs / "history.log") as server:
        signer = casino.signer(server.port)
        kinds = {
            "first": Kind(server, lambda: [signer.get(first)] * PAGES, 1),
            "deep": Kind(server, lambda: [signer.get(f"{first}&cursor={quote(place.encode())}")] * PAGES, 1),
        }
        measured = alternate(kinds, rounds=rounds, tick=tick)
    return [
        Row(
            key="H1",
            what=f"time of a history page at depth {DEPTH:,}, of the first page's",
            value=ratio(measured, "deep", "first", cpu=False),
            goal=1.5,
        ),
        Row(
            key="H1",
            what="buffers of that page of 50",
            value=_buffers(casino, player, place),
            goal=60,
            unit="buffers",
        ),
    ]


def _fill(casino: Casino, player: Player) -> None:
    params: dict[str, Any] = {"newest": NEWEST, "depth": DEPTH, "operator": casino.made.operator.pk, "player": player.pk}
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SET LOCAL session_replication_role = replica")  # no triggers, and with them no foreign keys
        for statement in FILL.split(";\n\n"):
            cursor.execute(statement, params)
        cursor.execute("COMMIT")
        cursor.execute("VACUUM (ANALYZE) purchases_round, purchases_action, wallet_walletcall")
    connection.close()


def _buffers(casino: Casino, player: Player, place: Position) -> int:
    """Return how many buffers the service's own statement touches for a page at `place`."""
    seen: list[tuple[str, Any]] = []

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
        seen.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        history.history(
            operator=casino.made.operator,
            player_id=player.pk,
            types=history.TYPES,
            since=None,
            until=None,
            position=place,
            limit=50,
        )
    touched = 0
    with connection.cursor() as cursor:
        for sql, params in seen:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
            [[plan]] = cursor.fetchall()
            top = (plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]
            touched += top["Shared Hit Blocks"] + top["Shared Read Blocks"]
    connection.close()
    return touched
