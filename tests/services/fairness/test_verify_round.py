"""`verify_round`: a round recomputed from its revealed seed, and every way in which what is stored could differ."""

import datetime as dt
import json
from collections.abc import Mapping
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog.models import BoxVersion, Prize
from fairness import services
from operators.models import Player
from purchases.models import Round
from tests.factories.catalog import BoxVersionFactory, cash_line
from tests.factories.fairness import NOON, CountedSeeds, harbour, held_round, settled_round, shown_id
from tests.factories.operators import PlayerFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def player() -> Player:
    """Return a player with seeds."""
    player = PlayerFactory.create()
    services.ensure_pairs(operator_id=player.operator_id, player_id=player.pk, at=NOON, secrets=CountedSeeds())
    return player


@pytest.fixture
def version(player: Player) -> BoxVersion:
    """Return a version of a box of their operator's."""
    return harbour(player.operator)


def reveal(player: Player) -> None:
    """Have the player's server seed revealed."""
    services.rotate(player=player, client_seed=None, at=NOON + dt.timedelta(hours=1), secrets=lambda size: "fe" * size)


def verify(played: Round) -> dict[str, Any]:
    """Return what the command prints of a round that holds."""
    out = StringIO()
    call_command("verify_round", shown_id(played), "--json", stdout=out)
    result: dict[str, Any] = json.loads(out.getvalue())
    return result


def refuse(public_id: str) -> tuple[int, list[str]]:
    """Return the status that the command ends with, and what it found to differ."""
    out = StringIO()
    with pytest.raises(CommandError) as refusal:
        call_command("verify_round", public_id, "--json", stdout=out)
    findings = json.loads(out.getvalue())["findings"] if out.getvalue() else []
    return refusal.value.returncode, [finding["text"] for finding in findings if not finding["agrees"]]


class TestVerifyRound:
    """The command, by its exit status and its findings."""

    def test_holds_for_every_round_of_a_revealed_seed(self, player: Player, version: BoxVersion) -> None:
        played = [settled_round(player, [version, version]) for _ in range(5)]
        reveal(player)

        for one in played:
            result = verify(one)
            assert result["verdict"] == "holds"
            assert len(result["findings"]) == 5 + 2 * 7
            assert all(finding["agrees"] for finding in result["findings"])

    def test_holds_in_another_currency(self, player: Player, version: BoxVersion) -> None:
        played = settled_round(player, [version], currency="JPY", rate=Decimal("161.5"))
        reveal(player)

        assert verify(played)["verdict"] == "holds"

    def test_prints_each_finding_as_a_line(self, player: Player, version: BoxVersion) -> None:
        played = settled_round(player, [version])
        reveal(player)
        out = StringIO()

        call_command("verify_round", shown_id(played), stdout=out)

        *findings, conclusion = out.getvalue().splitlines()
        assert all(line.startswith("ok  ") for line in findings)
        assert conclusion == f"Round {shown_id(played)} holds."

    def test_ends_with_2_while_the_seed_is_secret(self, player: Player, version: BoxVersion) -> None:
        played = settled_round(player, [version])

        assert refuse(shown_id(played)) == (2, [])

    def test_ends_with_2_for_a_box_that_is_not_opened(self, player: Player, version: BoxVersion) -> None:
        assert refuse(shown_id(held_round(player, [version]))) == (2, [])

    @pytest.mark.parametrize("public_id", ["r_01J00000000000000000000000", "r_", "nonsense", ""])
    def test_ends_with_1_for_a_round_that_does_not_exist(self, public_id: str) -> None:
        with pytest.raises(CommandError, match=f"There is no round {public_id}\\.") as refusal:
            call_command("verify_round", public_id)

        assert refusal.value.returncode == 1


class TestVerifyRoundFindsOut:
    """Rounds that were tampered with: the first reel's draw, the round, or the prize table."""

    @pytest.mark.parametrize(
        ("drawn", "finding"),
        [
            ({"roll": 100}, "stored was 100"),
            ({"nonce": 7}, "drawn with nonce 7"),
            ({"value_minor": 99_999}, "and 99999."),
            ({"base_value_minor": 99_999}, "stored were 99999"),
        ],
    )
    def test_another_draw(self, drawn: Mapping[str, Any], finding: str, player: Player, version: BoxVersion) -> None:
        played = settled_round(player, [version, version], drawn=drawn)
        reveal(player)

        status, differs = refuse(shown_id(played))

        assert status == 1
        assert any(finding in text and text.startswith("Reel 0") for text in differs)

    def test_another_prize(self, player: Player) -> None:
        lines = [cash_line(1, weight=10**15), cash_line(2, weight=1)]
        version = BoxVersionFactory.create(box__operator=player.operator, prizes=lines)
        played = settled_round(player, [version], drawn={"prize": version.prizes.get(index=1)})
        reveal(player)

        status, differs = refuse(shown_id(played))

        assert status == 1
        assert any("that is prize 0" in text for text in differs)

    def test_another_box_than_was_bought(self, player: Player, version: BoxVersion) -> None:
        played = settled_round(player, [version], drawn={"box_version": harbour(player.operator)})
        reveal(player)

        status, differs = refuse(shown_id(played))

        assert status == 1
        assert "drawn with nonce 0" in differs[0]

    @pytest.mark.parametrize("settled", [{"payout_minor": 1}, {"base_payout_minor": 1}, {"nonce": 5}])
    def test_another_round(self, settled: Mapping[str, Any], player: Player, version: BoxVersion) -> None:
        played = settled_round(player, [version], settled=settled)
        reveal(player)

        assert refuse(shown_id(played))[0] == 1

    def test_a_prize_table_that_is_not_the_published_one(self, player: Player, version: BoxVersion) -> None:
        swapped = bytes(version.snapshot).replace(b'"weight":90', b'"weight":89')
        played = settled_round(player, [copied(version, snapshot=swapped)])
        reveal(player)

        status, differs = refuse(shown_id(played))

        assert status == 1
        assert "SHA-256 of the prize table" in differs[0]

    def test_prizes_that_are_not_those_of_the_table(self, player: Player, version: BoxVersion) -> None:
        played = settled_round(player, [copied(version, values=7)])
        reveal(player)

        status, differs = refuse(shown_id(played))

        assert status == 1
        assert "the prize table says" in differs[0]


def copied(version: BoxVersion, *, snapshot: bytes | None = None, values: int | None = None) -> BoxVersion:
    """Return a copy of a version, put into the database past the service that publishes."""
    prizes = list(version.prizes.order_by("index"))
    version.pk, version.number = None, version.number + 1
    version.superseded_at = NOON
    version.snapshot = version.snapshot if snapshot is None else snapshot
    version.save(force_insert=True)
    for prize in prizes:
        prize.pk, prize.version = None, version
        prize.value_minor = prize.value_minor if values is None else values
    Prize.objects.bulk_create(prizes)
    return version
