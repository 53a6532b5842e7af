"""Draws are counted each once, also those that are committed late, and what is unusual about one is flagged."""

import datetime as dt
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from finance import counting, flags
from finance.models import DrawDay, DrawTally, Flag, FlagKind, FlagState, Severity, TallyProgress
from operators.audit import By
from operators.models import Player
from operators.services import NewOperator, change_settings
from purchases.models import Draw, Round
from tests.casino_wallet import Casino
from tests.conftest import SURE_CASH, SURE_ITEM, make_operator, publish_boxes
from tests.counting import count
from tests.signed import SignedClient

SAM = By("sam", "looked into it")
JACKPOT = SURE_CASH | {
    "slug": "jackpot",
    "name": "Jackpot",
    "prizes": [{"weight": 1, "cash": {"name": "500 euro", "valueMinor": 50_000}}],
}


def buy(s2s: SignedClient, version: int, *, reels: int = 1, player: str = "u_1", **more: Any) -> None:
    """Open so many boxes in one purchase."""
    body = {
        "playerExternalId": player, "gameKey": "mystery_box", "clientActionId": str(uuid4()),
        "reels": [{"reelIndex": index, "boxVersionId": version} for index in range(reels)],
    }  # fmt: skip
    assert s2s.post("/api/s2s/purchase", body | more).status == 200


def tallies() -> dict[tuple[str, str], int]:
    """Return how many draws are counted by who paid and currency; by the day it is the same."""
    by_hour = {(row.funding, row.currency): row.draws for row in DrawTally.objects.all()}
    assert {(row.funding, row.currency): row.draws for row in DrawDay.objects.all()} == by_hour
    return by_hour


class TestCounting:
    def test_counts_every_draw_once_by_who_paid(self, acme: NewOperator, s2s: SignedClient) -> None:
        version = publish_boxes(acme, SURE_ITEM)["sure-item"]
        buy(s2s, version, reels=3)
        buy(s2s, version, reels=2, funding="operator")
        assert count() > 0
        assert tallies() == {("player", "EUR"): 3, ("operator", "EUR"): 2}
        buy(s2s, version)
        count()
        count()
        assert tallies() == {("player", "EUR"): 4, ("operator", "EUR"): 2}
        hour = DrawTally.objects.values_list("hour", flat=True).first()
        settled = Round.objects.order_by("settled_at").values_list("settled_at", flat=True).first()
        assert settled is not None
        assert hour == settled.replace(minute=0, second=0, microsecond=0)
        assert DrawDay.objects.values_list("day", flat=True).first() == settled.date()

    def test_goes_on_in_batches(self, acme: NewOperator, s2s: SignedClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(counting, "BATCH", 2)
        version = publish_boxes(acme, SURE_ITEM)["sure-item"]
        buy(s2s, version, reels=5)
        # Ids of tests before this one are not gone through again, two by two.
        start = Draw.objects.earliest("pk").pk - 1
        for name in ("draws", "days of draws"):
            TallyProgress.objects.create(name=name, counted_to=start, seen_to=start)
        assert count() == 2 * 5
        assert tallies() == {("player", "EUR"): 5}

    def test_leaves_the_rest_to_the_next_run_when_its_time_is_up(self, acme: NewOperator, s2s: SignedClient) -> None:
        buy(s2s, publish_boxes(acme, SURE_ITEM)["sure-item"])
        assert counting.count_new(clock=timezone.now, until=timezone.now()) == 0
        assert tallies() == {}
        count()
        assert tallies() == {("player", "EUR"): 1}

    def test_goes_on_in_a_cluster_that_was_restored_from_another(self, acme: NewOperator, s2s: SignedClient) -> None:
        buy(s2s, publish_boxes(acme, SURE_ITEM)["sure-item"])
        newest = Draw.objects.latest("pk").pk
        TallyProgress.objects.create(name="draws", counted_to=0, seen_to=newest, seen_before=2**60)
        count()
        assert tallies() == {("player", "EUR"): 1}


@pytest.fixture
def late(transactional_db: None) -> Iterator["psycopg.Connection[Any]"]:
    """Return a connection of another process, in a transaction."""
    raw = psycopg.connect(**{key: value for key, value in connection.get_connection_params().items() if _is_libpq(key)})
    yield raw
    raw.close()


def _is_libpq(name: str) -> bool:
    return name in {"dbname", "user", "password", "host", "port"}


class TestADrawThatIsCommittedLate:
    """Its id is below ones that can be seen already."""

    def draw_late(self, late: "psycopg.Connection[Any]", s2s: SignedClient, version: int) -> None:
        """Leave a draw uncommitted, and settle another purchase after it."""
        buy(s2s, version)
        columns = "operator_id, round_id, box_version_id, seed_pair_id, nonce, roll, prize_id, value_minor, base_value_minor"
        late.execute(
            f"INSERT INTO purchases_draw (reel_index, {columns}) SELECT 9, {columns} FROM purchases_draw"  # noqa: S608
        )
        buy(s2s, version)

    @pytest.fixture
    def backend(self, casino: Casino) -> tuple[SignedClient, int]:
        """Return the backend and a box version of an operator that is not held to its invariants."""
        made = make_operator("late", wallet_url=casino.url)
        client = SignedClient(key_id=made.key.key_id, secret=made.key.secret)
        return client, publish_boxes(made, SURE_ITEM)["sure-item"]

    def test_is_waited_for(self, late: "psycopg.Connection[Any]", backend: tuple[SignedClient, int]) -> None:
        self.draw_late(late, *backend)
        counting.count_new(clock=timezone.now, until=timezone.now() + dt.timedelta(seconds=30))
        assert tallies() == {}
        late.commit()
        count()
        assert tallies() == {("player", "EUR"): 3}

    def test_would_be_lost_without_the_wait(
        self, late: "psycopg.Connection[Any]", backend: tuple[SignedClient, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(counting, "_SETTLED", "SELECT %(xid)s::bigint IS NOT NULL")
        self.draw_late(late, *backend)
        count()
        late.commit()
        count()
        assert tallies() == {("player", "EUR"): 2}

    def test_that_is_undone_holds_nothing_up(self, late: "psycopg.Connection[Any]", backend: tuple[SignedClient, int]) -> None:
        self.draw_late(late, *backend)
        late.rollback()
        count()
        assert tallies() == {("player", "EUR"): 2}


class TestABigWin:
    def test_is_a_hundred_times_the_price_where_the_operator_says_nothing(self, acme: NewOperator, s2s: SignedClient) -> None:
        buy(s2s, publish_boxes(acme, JACKPOT)["jackpot"])
        count()
        flag = Flag.objects.get()
        assert (flag.kind, flag.state, flag.severity) == (FlagKind.BIG_WIN, FlagState.OPEN, Severity.MEDIUM)
        assert flag.summary == "u_1 won 500 euro, worth 500.00 EUR, from Jackpot for 5.00 EUR."
        assert flag.evidence["thresholdMinor"] == 50_000
        assert flag.round_id == Round.objects.get().pk
        assert flag.player == Player.objects.get()

    def test_is_what_the_operator_says_it_is(self, acme: NewOperator, s2s: SignedClient) -> None:
        version = publish_boxes(acme, SURE_ITEM)["sure-item"]
        change_settings(operator=acme.operator, changes={"bigWinMinor": "481"}, at=timezone.now())
        buy(s2s, version)
        count()
        assert not Flag.objects.exists()
        change_settings(operator=acme.operator, changes={"bigWinMinor": "48"}, at=timezone.now())
        buy(s2s, version)
        count()
        flag = Flag.objects.get()
        assert (flag.severity, flag.evidence["thresholdMinor"]) == (Severity.HIGH, 48)

    def test_makes_one_flag_however_often_it_is_seen(self, acme: NewOperator, s2s: SignedClient) -> None:
        buy(s2s, publish_boxes(acme, JACKPOT)["jackpot"], reels=2)
        count()
        flags.flag_big_wins(after=0, upto=2**62, at=timezone.now())
        assert Flag.objects.count() == 2

    def test_of_long_ago_raises_none(self, acme: NewOperator, s2s: SignedClient) -> None:
        buy(s2s, publish_boxes(acme, JACKPOT)["jackpot"])
        flags.flag_big_wins(after=0, upto=2**62, at=timezone.now() + dt.timedelta(days=31))
        assert not Flag.objects.exists()


class TestRepeatedFreeOpens:
    @pytest.fixture
    def version(self, acme: NewOperator, settings: Settings) -> int:
        """Return a box, and find five free opens many."""
        settings.LOOTBOX_FREE_OPENS = 5
        return publish_boxes(acme, SURE_ITEM)["sure-item"]

    def test_are_flagged_once_for_a_player(self, version: int, s2s: SignedClient) -> None:
        buy(s2s, version, reels=4, funding="operator")
        buy(s2s, version, reels=9)
        buy(s2s, version, reels=9, player="u_2")
        count()
        assert not Flag.objects.exists()
        for _ in range(2):
            buy(s2s, version, funding="operator")
            count()
        flag = Flag.objects.get()
        assert (flag.kind, flag.severity) == (FlagKind.FREE_OPENS, Severity.LOW)
        assert flag.summary == "u_1 opened 5 boxes at the operator's expense within 1 d."
        assert flag.evidence["valueMinor"] == 5 * 480

    def test_are_counted_anew_once_the_flag_is_closed(self, version: int, s2s: SignedClient) -> None:
        buy(s2s, version, reels=5, funding="operator")
        count()
        flags.change_state(flag=Flag.objects.get(), state=FlagState.EXPLAINED, by=SAM, at=timezone.now())
        buy(s2s, version, reels=4, funding="operator")
        count()
        assert Flag.objects.count() == 1
        buy(s2s, version, funding="operator")
        count()
        assert Flag.objects.filter(state=FlagState.OPEN).count() == 1
        assert Flag.objects.count() == 2

    def test_of_days_ago_do_not_count(self, version: int, s2s: SignedClient) -> None:
        buy(s2s, version, reels=5, funding="operator")
        flags.flag_free_opens(after=0, upto=2**62, at=timezone.now() + dt.timedelta(days=2))
        assert not Flag.objects.exists()
