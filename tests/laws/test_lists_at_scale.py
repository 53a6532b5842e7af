"""A list page reads about a page of rows, whatever it is filtered by or searched for, however long its table is."""

from typing import Final

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from lootbox.core.ids import Prefix, public_id
from operators import staff
from purchases.models import Round
from tests.admin.cast import browser, page, person
from tests.conftest import make_operator
from tests.plans import scans

ROWS: Final = 50_000
# A list counts up to a thousand rows by an index, and a search takes up to some hundred of a player's latest.
READ_AT_MOST: Final = 2_500

# One operator has nearly everything, the other's rows are a few among many: the worst case for a list in order of ids.
WHOSE: Final = "CASE WHEN n %% 10000 = 7 THEN %(few)s ELSE %(many)s END"
# As the ids of the API do, these begin with the time.
ID: Final = "lpad(to_hex(1800000000000 + n), 12, '0') || lpad(to_hex(n), 20, '0')"
TABLES: Final = {
    "operators_player": """
        (id, operator_id, external_id, blocked, capped, created_at)
        SELECT n, WHOSE, 'u_' || n, false, false, now() FROM generate_series(1, %(rows)s) n""",
    "purchases_round": """
        (id, operator_id, player_id, mode, funding, state, currency, bet_minor, base_currency, base_bet_minor, fx_rate,
         fx_source, fence, purchased_at, recover_at, expires_at)
        SELECT (ID)::uuid, WHOSE, n %% 1000 + 1, 'open', 'player',
            CASE n %% 5000 WHEN 1 THEN 'pending' WHEN 2 THEN 'held' ELSE 'voided' END, 'EUR', 500, 'EUR', 500, 1, '', 1, now(),
            CASE n %% 5000 WHEN 1 THEN now() END, CASE n %% 5000 WHEN 2 THEN now() END
        FROM generate_series(1, %(rows)s) n""",
    "wallet_walletcall": """
        (id, operator_id, player_id, type, reason, idempotency_key, amount_minor, currency, base_amount_minor, base_currency,
         body, state, attempts, maybe_sent, error_code, provider_txn_ref, created_at, resolved_at, next_attempt_at)
        SELECT (ID)::uuid, WHOSE, n %% 1000 + 1, 'wallet.credit', 'cashback', 'k' || n, 500, 'EUR', 500, 'EUR', '',
            CASE n %% 5000 WHEN 1 THEN 'unknown' ELSE 'accepted' END, 1, true, '', 'w' || n, now() - interval '1 hour',
            CASE n %% 5000 WHEN 1 THEN NULL ELSE now() END, CASE n %% 5000 WHEN 1 THEN now() END
        FROM generate_series(1, %(rows)s) n""",
    "webhooks_event": """
        (id, operator_id, type, subject, body, occurred_at)
        SELECT (ID)::uuid, WHOSE, 'round_settled', 'r_' || n, '', now() FROM generate_series(1, %(rows)s) n""",
    "webhooks_delivery": """
        (event_id, operator_id, state, attempts, failures, next_attempt_at)
        SELECT (ID)::uuid, WHOSE,
            CASE n %% 5000 WHEN 1 THEN 'due' WHEN 2 THEN 'failed' WHEN 3 THEN 'stopped' ELSE 'delivered' END, 1, 0,
            CASE n %% 5000 WHEN 1 THEN now() END
        FROM generate_series(1, %(rows)s) n""",
    "vault_inventoryitem": """
        (id, operator_id, player_id, item_id, round_id, reel_index, name, type, value_minor, currency, state, created_at)
        SELECT n, WHOSE, n %% 1000 + 1, 1, (ID)::uuid, 0, 'Compass', 'physical', 1, 'EUR', 'unresolved', now()
        FROM generate_series(1, %(rows)s) n""",
    "vault_shippingorder": """
        (id, operator_id, player_id, fingerprint, status, currency, cost_minor, address, email, carrier, tracking_number,
         created_at, updated_at)
        SELECT (ID)::uuid, WHOSE, n %% 1000 + 1, '', 'shipped', 'EUR', 0, '{}', '', 'DHL', 'T' || n, now(), now()
        FROM generate_series(1, %(rows)s) n""",
    "operators_auditentry": """
        (sequence, at, operator_id, actor, confirmed_by, action, subject, reason, before, after, previous_hash, hash)
        SELECT n + 1000, now(), WHOSE, 'p' || n %% 300, '', 'test', 's' || n, '', '{}', '{}', '', n::text
        FROM generate_series(1, %(rows)s) n""",
}
# Something of each kind that a list is searched for, and nothing.
SEARCHES: Final = ("u_7", "k7", "w77", "T777", "p7", "s7777", "r_77", "77", "nothing")


@pytest.fixture
def viewers(db: None) -> list[tuple[str, Client]]:
    """Return browsers of the platform's administrator and of one whose operator has few rows, beside long tables."""
    few, many = make_operator("few").operator, make_operator("many").operator
    who = {"few": few.pk, "many": many.pk, "rows": ROWS}
    with connection.cursor() as cursor:
        # Neither triggers nor foreign keys: what these rows lead to is not what is measured.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table, rows in TABLES.items():
            said = rows.replace("WHOSE", WHOSE).replace("(ID)", f"({ID})")
            cursor.execute(f"INSERT INTO {table} {said}", who)
            cursor.execute(f"ANALYZE {table}")
        cursor.execute("SET LOCAL session_replication_role = origin")
    boss = User.objects.create_superuser("boss")
    olga = person("olga", role=staff.OPERATOR_ADMIN, at=few)
    return [("boss", browser(boss)), ("olga", browser(olga))]


def read_by(sql: str) -> list[str]:
    """Return what a statement does that a list must not do."""
    return [
        f"{scan.kind} of {scan.table} reads {scan.rows:.0f} rows"
        for scan in scans(sql, TABLES)
        if scan.kind == "Seq Scan" or scan.rows > READ_AT_MOST
    ]


def ways(client: Client, address: str, columns: int) -> list[str]:
    """Return the queries of a list's address: each choice of each filter, searches, later pages, columns as sorted."""
    shown = (client.get(address).context_data or {})["cl"]
    filters = [choice["query_string"] for spec in shown.filter_specs for choice in spec.choices(shown)]
    found = [*SEARCHES, public_id(Prefix.ROUND, Round.objects.order_by("pk")[0].pk)]
    searches = [f"?q={term}" for term in found] if shown.search_fields else []
    return ["", "?p=9", *dict.fromkeys(filters), *searches, f"?o={'.'.join(str(number) for number in range(1, columns + 1))}"]


def wrongs(client: Client, address: str) -> list[str]:
    """Return what the statements of a page do that they must not do."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200, address
    said = [query["sql"] for query in captured if any(f'FROM "{table}"' in query["sql"] for table in TABLES)]
    assert said, f"{address} reads no long table"
    return [f"{address}: {each} in {sql[:300]}" for sql in said for each in read_by(sql)]


class TestAListOfALongTable:
    def test_is_read_by_an_index_and_never_whole(
        self, viewers: list[tuple[str, Client]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wrong: list[str] = []
        walked = [page("unresolved")]
        for name, client in viewers:
            wrong += [f"{name} {each}" for each in wrongs(client, walked[0])]
            for model, console in admin.site._registry.items():
                if model._meta.db_table in TABLES:
                    monkeypatch.setattr(console, "list_per_page", 10)
                    address = page(f"{model._meta.app_label}_{model._meta.model_name}_changelist")
                    for way in ways(client, address, len(console.list_display)):
                        walked.append(address + way)
                        wrong += [f"{name} {each}" for each in wrongs(client, address + way)]
        assert len(walked) > 150
        assert not wrong, "\n".join(wrong)
