"""The RTP watch: a box drawn by its odds stays quiet, one that is not is found and, where wanted, taken offline."""

import datetime as dt
from random import Random

import pytest
from django.utils import timezone

from catalog.models import Box, BoxVersion, Prize
from finance import flags, rtp, watch
from finance.models import Flag, FlagKind, FlagState
from operators.audit import By
from operators.models import AuditEntry
from operators.services import NewOperator, change_settings
from tests.conftest import HARBOUR, publish_boxes
from tests.counting import as_drawn

NOW = timezone.now()
HOUR = dt.timedelta(hours=1)
SAM = By("sam", "looked into it")


@pytest.fixture
def version(acme: NewOperator) -> BoxVersion:
    """Return a box with three prizes at 90, 9 and 1 of 100, which pays 95.6 % out."""
    return BoxVersion.objects.get(pk=publish_boxes(acme, HARBOUR)["harbour"])


def draw(version: BoxVersion, counts: list[int], *, ago: dt.timedelta = HOUR * 0, **of: str) -> None:
    """Count prizes as drawn so long ago."""
    as_drawn(version, counts, at=NOW - ago, **of)


def by_chance(version: BoxVersion, draws: int, seed: int) -> list[int]:
    """Return how often each prize comes in so many draws by the odds."""
    weights = [prize.weight for prize in Prize.objects.filter(version=version).order_by("index")]
    counts = [0] * len(weights)
    random = Random(seed)  # noqa: S311 - has to come out the same every time
    for index in random.choices(range(len(weights)), weights, k=draws):
        counts[index] += 1
    return counts


class TestABoxDrawnByItsOdds:
    def test_raises_no_flag(self, version: BoxVersion) -> None:
        for hours in range(48):
            draw(version, by_chance(version, 500, hours), ago=hours * HOUR)
        assert watch.judge(at=NOW) == []
        assert not Flag.objects.exists()


class TestABoxDrawnWithOtherOdds:
    def test_is_flagged_with_the_evidence(self, version: BoxVersion) -> None:
        draw(version, [700, 200, 100])
        (flag,) = watch.judge(at=NOW)
        assert (flag.kind, flag.state, flag.box_version, flag.currency, flag.funding) == (
            FlagKind.RTP, FlagState.OPEN, version, "EUR", "player",
        )  # fmt: skip
        evidence = flag.evidence
        assert (evidence["draws"], evidence["turnoverMinor"]) == (1_000, 500_000)
        assert evidence["payoutMinor"] == 700 * 480 + 200 * 500 + 100 * 100
        assert evidence["theory"] == 0.956
        assert evidence["rtp"] < evidence["tolerance"][0]
        assert evidence["pPrizes"] < evidence["alpha"]
        assert [prize["drawn"] for prize in evidence["prizes"]] == [700, 200, 100]
        assert flag.summary.startswith("Harbour Crate, version 1, in EUR, paid by players: 89.20 % of the price was paid out")
        assert "Prizes come in other proportions than published" in flag.summary

    def test_is_found_when_only_the_last_hour_is_wrong(self, version: BoxVersion) -> None:
        for days in range(1, 29):
            draw(version, by_chance(version, 2_000, days), ago=days * 24 * HOUR + HOUR)
        draw(version, [0, 0, 40])
        (flag,) = watch.judge(at=NOW)
        assert flag.evidence["draws"] < 28 * 2_000

    def test_is_found_when_it_strays_a_little_for_a_month(self, version: BoxVersion) -> None:
        for days in range(29):
            draw(version, [955, 5, 10], ago=days * 24 * HOUR)
        (flag,) = watch.judge(at=NOW)
        assert flag.evidence["window"] == "month"

    def test_is_told_by_who_paid_and_in_which_currency(self, version: BoxVersion) -> None:
        draw(version, by_chance(version, 1_000, 1))
        draw(version, [100, 0, 100], currency="SEK", funding="operator")
        (flag,) = watch.judge(at=NOW)
        assert (flag.currency, flag.funding) == ("SEK", "operator")

    def test_makes_one_flag_until_that_is_closed(self, version: BoxVersion) -> None:
        draw(version, [700, 200, 100], ago=2 * HOUR)
        (flag,) = watch.judge(at=NOW)
        assert watch.judge(at=NOW) == []
        flags.change_state(flag=flag, state=FlagState.DISMISSED, by=SAM, at=NOW - HOUR)
        assert watch.judge(at=NOW) == []
        draw(version, [700, 200, 100])
        (again,) = watch.judge(at=NOW)
        assert again.evidence["draws"] == 1_000

    def test_that_nobody_draws_any_more_is_left_alone(self, version: BoxVersion) -> None:
        draw(version, [700, 200, 100], ago=48 * HOUR)
        assert watch.judge(at=NOW) == []


class TestAWindow:
    @pytest.fixture
    def drawn(self, version: BoxVersion) -> dict[int, int]:
        """Return how much was drawn by how many hours ago, of more than a month in uneven steps."""
        hours = {ago: 1 + ago % 5 for ago in [*range(60), *range(60, 700, 7), *range(700, 760)]}
        for ago, draws in hours.items():
            draw(version, [draws, 0, 0], ago=ago * HOUR)
        return hours

    def since(self, drawn: dict[int, int], begins: dt.datetime) -> int:
        """Return what was drawn since."""
        this_hour = NOW.replace(minute=0, second=0, microsecond=0)
        return sum(draws for ago, draws in drawn.items() if this_hour - ago * HOUR >= begins)

    @pytest.mark.parametrize("closed_ago", [None, 3, 26, 100, 705])
    def test_holds_each_draw_since_it_began_once(
        self, version: BoxVersion, drawn: dict[int, int], closed_ago: int | None
    ) -> None:
        if closed_ago is not None:
            (flag,) = watch.judge(at=NOW)
            flags.change_state(flag=flag, state=FlagState.DISMISSED, by=SAM, at=NOW - closed_ago * HOUR)
        closed = NOW - (1000 if closed_ago is None else closed_ago) * HOUR
        ((_, _, windows),) = watch._counts(NOW)
        assert {name: sum(counts.values()) for name, counts in windows.items()} == {
            name: self.since(drawn, max(begins, closed)) for name, begins in watch.starts(NOW).items()
        }

    def test_is_the_same_on_the_pages(self, version: BoxVersion, drawn: dict[int, int]) -> None:
        (shown,) = rtp.watched(at=NOW, operator_ids=None)
        report = rtp.report(series=shown.series, known=shown.verdict.table, at=NOW)
        begins = watch.starts(NOW)
        assert shown.verdict.draws == self.since(drawn, begins["month"])
        assert [window.verdict.draws for window in report.windows] == [self.since(drawn, since) for since in begins.values()]
        assert report.funnel.labels[-1] == f"{shown.verdict.draws:,}"
        assert len(report.funnel.labels) <= 30


class TestTheBox:
    def test_is_left_on_sale_where_the_operator_did_not_ask(self, version: BoxVersion) -> None:
        draw(version, [700, 200, 100])
        (flag,) = watch.judge(at=NOW)
        assert not flag.box_paused
        assert Box.objects.get().active

    def test_goes_offline_where_the_operator_asked_with_an_audit_entry(self, acme: NewOperator, version: BoxVersion) -> None:
        change_settings(operator=acme.operator, changes={"rtpPause": "true"}, at=timezone.now())
        draw(version, [700, 200, 100])
        watch.judge(at=NOW)
        flag = Flag.objects.get()
        assert flag.box_paused
        assert not Box.objects.get().active
        entry = AuditEntry.objects.get(action="box.offline")
        assert (entry.actor, entry.subject, entry.after) == ("RTP watch", "harbour", {"active": False})
        assert str(flag.pk) in entry.reason

    def test_stays_on_sale_when_an_older_version_was_wrong(self, acme: NewOperator, version: BoxVersion) -> None:
        change_settings(operator=acme.operator, changes={"rtpPause": "true"}, at=timezone.now())
        publish_boxes(acme, HARBOUR | {"priceMinor": 600})
        draw(version, [700, 200, 100])
        (flag,) = watch.judge(at=NOW)
        assert not flag.box_paused
        assert Box.objects.get().active


class TestTheTolerance:
    def test_allows_so_many_false_alarms_a_year(self) -> None:
        tests_a_year = 365 * 24 * 12 * 3 * 2
        assert watch.alpha() * tests_a_year == pytest.approx(0.01)
