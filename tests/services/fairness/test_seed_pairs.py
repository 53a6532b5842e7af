"""A player's seed pairs: made once, shown as hashes, rotated, revealed."""

import datetime as dt
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Model, QuerySet

from fairness import algorithm, selectors, serializers, services
from fairness.models import SeedPair, SeedState
from lootbox.core.errors import ApiError
from lootbox.core.fields import Reader
from operators.models import Player
from tests.factories.fairness import NOON, CountedSeeds
from tests.factories.operators import PlayerFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def player() -> Player:
    """Return a player who has no seeds yet."""
    return PlayerFactory.create()


@pytest.fixture
def seeds() -> CountedSeeds:
    """Return a seed source of the test's own."""
    return CountedSeeds()


def ensure(player: Player, seeds: services.SeedSource) -> SeedPair:
    """Return the player's active pair."""
    return services.ensure_pairs(operator_id=player.operator_id, player_id=player.pk, at=NOON, secrets=seeds)


def rows(player: Player) -> list[Any]:
    """Return all that is stored of a player's seeds."""
    return list(SeedPair.objects.filter(player=player).order_by("id").values())


def take_nonce(player: Player, nonce: int) -> int:
    """Return 1 when a settling round gets this nonce of the active pair, else 0, as the purchase's statement has it."""
    active = SeedPair.objects.filter(player=player, state=SeedState.ACTIVE, next_nonce=nonce)
    return active.update(next_nonce=F("next_nonce") + 1)


class TestEnsurePairs:
    """`services.ensure_pairs`."""

    def test_commits_to_an_active_and_a_next_server_seed(self, player: Player, seeds: CountedSeeds) -> None:
        active = ensure(player, seeds)

        assert active.server_seed_hash == algorithm.seed_hash(f"{2:064x}")
        assert (active.state, active.client_seed, active.next_nonce) == (SeedState.ACTIVE, f"{1:016x}", 0)
        assert active.activated_at == NOON
        following = SeedPair.objects.get(player=player, state=SeedState.NEXT)
        assert following.server_seed == f"{3:064x}"
        assert following.activated_at is None

    def test_makes_seeds_of_the_contracts_form(self, player: Player) -> None:
        import secrets  # noqa: PLC0415 - what a door passes

        ensure(player, secrets.token_hex)

        for pair in SeedPair.objects.filter(player=player):
            assert re.fullmatch("[0-9a-f]{64}", pair.server_seed)
            assert re.fullmatch("[0-9a-f]{16}", pair.client_seed)

    def test_keeps_server_seeds_encrypted(self, player: Player, seeds: CountedSeeds) -> None:
        ensure(player, seeds)

        with connection.cursor() as cursor:
            cursor.execute("SELECT server_seed FROM fairness_seedpair")
            for (stored,) in cursor.fetchall():
                assert b"00000000" not in bytes(stored)

    def test_leaves_the_pairs_that_are_there(self, player: Player, seeds: CountedSeeds) -> None:
        first = ensure(player, seeds)
        before = rows(player)

        assert ensure(player, seeds) == first

        assert rows(player) == before
        assert seeds.made == 3

    def test_gives_each_player_their_own(self, player: Player, seeds: CountedSeeds) -> None:
        other = PlayerFactory.create(operator=player.operator)

        assert ensure(player, seeds) != ensure(other, seeds)

    def test_ends_with_the_pair_of_whoever_came_in_between(self, player: Player, seeds: CountedSeeds) -> None:
        assert ensure(player, overtaken(player, seeds)) == SeedPair.objects.get(player=player, state=SeedState.ACTIVE)

        assert len(rows(player)) == 2

    def test_would_fail_there_without_dropping_the_second(
        self, player: Player, seeds: CountedSeeds, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(SeedPair.objects, "bulk_create", lambda pairs, **_: QuerySet[SeedPair](SeedPair).bulk_create(pairs))

        with pytest.raises(IntegrityError, match="seed_pair_one_active"):
            ensure(player, overtaken(player, seeds))

    def test_gives_all_of_many_callers_at_once_the_same_pair(self, player: Player) -> None:
        barrier = threading.Barrier(8)

        def call(number: int) -> int:
            with closing(connection):
                barrier.wait()
                return ensure(player, lambda size: f"{number:02x}" * size).pk

        with ThreadPoolExecutor(8) as pool:
            pairs = list(pool.map(call, range(8)))

        assert len(set(pairs)) == 1
        assert len(rows(player)) == 2


class TestRotate:
    """`services.rotate`."""

    def test_reveals_the_active_seed_and_commits_to_a_new_one(self, player: Player, seeds: CountedSeeds) -> None:
        ensure(player, seeds)
        announced = selectors.commitment(player=player)
        assert [take_nonce(player, nonce) for nonce in range(3)] == [1, 1, 1]

        done = services.rotate(player=player, client_seed="my-seed_1", at=NOON, secrets=seeds)

        assert serializers.rotation(done) == {
            "revealed": {
                "serverSeed": f"{2:064x}",
                "serverSeedHash": announced["serverSeedHash"],
                "clientSeed": announced["clientSeed"],
                "rounds": 3,
            },
            "fairness": {
                "serverSeedHash": announced["nextServerSeedHash"],
                "nextServerSeedHash": algorithm.seed_hash(f"{4:064x}"),
                "clientSeed": "my-seed_1",
                "nextNonce": 0,
                "algorithmKey": "hmac_sha256_v1",
            },
        }
        assert selectors.commitment(player=player) == serializers.rotation(done)["fairness"]

    def test_carries_the_client_seed_over(self, player: Player, seeds: CountedSeeds) -> None:
        services.rotate(player=player, client_seed="mine", at=NOON, secrets=seeds)

        done = services.rotate(player=player, client_seed=None, at=NOON, secrets=seeds)

        assert done.active.client_seed == "mine"

    def test_never_draws_with_a_revealed_seed_again(self, player: Player, seeds: CountedSeeds) -> None:
        first = ensure(player, seeds)
        services.rotate(player=player, client_seed=None, at=NOON, secrets=seeds)

        with pytest.raises(IntegrityError, match="only goes forward"):
            SeedPair.objects.filter(pk=first.pk).update(next_nonce=F("next_nonce") + 1)
        with pytest.raises(IntegrityError, match="only goes forward"):
            SeedPair.objects.filter(pk=first.pk).update(state=SeedState.ACTIVE)

    @pytest.mark.parametrize("client_seed", ["", "a" * 65, "with space", "dot.", "colon:", "ünïcode", "new\n", "\u0661"])
    def test_refuses_a_client_seed_of_another_form(self, client_seed: str, player: Player, seeds: CountedSeeds) -> None:
        ensure(player, seeds)
        before = rows(player)

        with pytest.raises(ApiError, match="INVALID_CLIENT_SEED"):
            services.rotate(player=player, client_seed=client_seed, at=NOON, secrets=seeds)

        assert rows(player) == before

    @pytest.mark.parametrize("client_seed", ["a", "A-z_0", "x" * 64])
    def test_takes_a_client_seed_of_the_contracts_form(self, client_seed: str, player: Player, seeds: CountedSeeds) -> None:
        done = services.rotate(player=player, client_seed=client_seed, at=NOON, secrets=seeds)

        assert done.active.client_seed == client_seed

    def test_counts_a_draw_under_way_to_the_revealed_pair(self, player: Player, seeds: CountedSeeds) -> None:
        ensure(player, seeds)

        done = rotate_during(player, seeds, lambda: take_nonce(player, 0))

        assert done.result(10).revealed.next_nonce == 1

    def test_would_miscount_that_draw_without_its_lock(
        self, player: Player, seeds: CountedSeeds, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ensure(player, seeds)
        without_lock_on(SeedPair, monkeypatch)

        done = rotate_during(player, seeds, lambda: take_nonce(player, 0))

        assert done.result(10).revealed.next_nonce == 0

    def test_leaves_a_draw_that_comes_second_without_a_nonce(self, player: Player, seeds: CountedSeeds) -> None:
        # The settling statement then finds no row, and starts again with the pair that is active now.
        ensure(player, seeds)
        pair = SeedPair.objects.get(player=player, state=SeedState.ACTIVE)

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                services.rotate(player=player, client_seed=None, at=NOON, secrets=seeds)
                taken = pool.submit(in_thread, lambda: take_nonce_of(pair))
                until_somebody_waits()
            assert taken.result(10) == 0

    def test_runs_one_after_the_other(self, player: Player, seeds: CountedSeeds) -> None:
        ensure(player, seeds)

        second = rotate_during(
            player, seeds, lambda: services.rotate(player=player, client_seed="first", at=NOON, secrets=seeds)
        )

        assert second.result(10).revealed.client_seed == "first"
        assert [row["state"] for row in rows(player)] == ["revealed", "revealed", "active", "next"]

    def test_would_lose_its_pair_without_the_players_lock(
        self, player: Player, seeds: CountedSeeds, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ensure(player, seeds)
        without_lock_on(Player, monkeypatch)

        second = rotate_during(
            player, seeds, lambda: services.rotate(player=player, client_seed="first", at=NOON, secrets=seeds)
        )

        with pytest.raises(SeedPair.DoesNotExist):
            second.result(10)


class TestState:
    """`selectors.state`."""

    def test_shows_revealed_pairs_newest_first_and_no_secret(self, player: Player, seeds: CountedSeeds) -> None:
        for days in range(3):
            at = NOON + dt.timedelta(days=days)
            services.rotate(player=player, client_seed=f"day-{days}", at=at, secrets=seeds)

        state = selectors.state(player=player)

        assert [pair["clientSeed"] for pair in state["revealed"]] == ["day-1", "day-0", f"{1:016x}"]
        assert all(algorithm.seed_hash(pair["serverSeed"]) == pair["serverSeedHash"] for pair in state["revealed"])
        assert state["fairness"]["clientSeed"] == "day-2"
        secret = SeedPair.objects.exclude(state=SeedState.REVEALED).values_list("server_seed", flat=True)
        assert not any(seed in str(state) for seed in secret)

    def test_shows_a_bounded_number(self, player: Player, seeds: CountedSeeds, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(selectors, "REVEALED_SHOWN", 2)
        for _ in range(3):
            services.rotate(player=player, client_seed=None, at=NOON, secrets=seeds)

        assert len(selectors.state(player=player)["revealed"]) == 2


class TestReadClientSeed:
    """`serializers.read_client_seed`, together with the service that judges what it reads."""

    def test_is_none_when_not_sent(self) -> None:
        assert serializers.read_client_seed(Reader({})) is None

    @pytest.mark.parametrize("sent", [None, 5, True, ["a"], {}, "a" * 65, ""])
    def test_of_another_type_is_an_invalid_client_seed(self, sent: object, player: Player, seeds: CountedSeeds) -> None:
        client_seed = serializers.read_client_seed(Reader({"clientSeed": sent}))

        with pytest.raises(ApiError, match="INVALID_CLIENT_SEED"):
            services.rotate(player=player, client_seed=client_seed, at=NOON, secrets=seeds)


def overtaken(player: Player, seeds: CountedSeeds) -> services.SeedSource:
    """Return a seed source during whose first use somebody else makes the player's pairs."""

    def source(size: int) -> str:
        if not SeedPair.objects.filter(player=player).exists():
            ensure(player, seeds)
        return seeds(size)

    return source


def take_nonce_of(pair: SeedPair) -> int:
    """Return 1 when a settling round that read `pair` as active gets its nonce, else 0."""
    unchanged = SeedPair.objects.filter(pk=pair.pk, state=SeedState.ACTIVE, next_nonce=pair.next_nonce)
    return unchanged.update(next_nonce=F("next_nonce") + 1)


def rotate_during(player: Player, seeds: CountedSeeds, work: Callable[[], object]) -> "Future[services.Rotation]":
    """Return what comes of a rotation that meets `work` before it is committed."""
    pool = ThreadPoolExecutor(1)
    with transaction.atomic():
        work()
        rotation = pool.submit(in_thread, lambda: services.rotate(player=player, client_seed=None, at=NOON, secrets=seeds))
        until_somebody_waits()
    pool.shutdown()
    return rotation


def in_thread(work: Callable[[], Any]) -> Any:
    """Return what `work` returns, on a connection that is given back."""
    with closing(connection):
        return work()


def until_somebody_waits() -> None:
    """Return once a connection to this database waits for a lock."""
    deadline = time.monotonic() + 10
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone() != (0,):
                return
            time.sleep(0.01)
    pytest.fail("Nobody waits for a lock.")


def without_lock_on(model: type[Model], monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the row lock on one model away."""
    locked = QuerySet.select_for_update

    def unlocked(rows: "QuerySet[Any]", **options: Any) -> "QuerySet[Any]":
        return rows if rows.model is model else locked(rows, **options)

    monkeypatch.setattr(QuerySet, "select_for_update", unlocked)
