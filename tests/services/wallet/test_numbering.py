"""Numbers of the ledger: given after the commit, gapless under everything that happens at once, never taken back."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from time import sleep

import pytest
from django.db import IntegrityError, connection, transaction

from finance import ledger
from operators.models import Operator, Player
from operators.services import NewOperator
from tests.factories.operators import PlayerFactory
from tests.factories.wallet import MovementFactory
from wallet import numbering
from wallet.models import CallState, CallType, Reason, WalletCall


@pytest.fixture
def player(acme: NewOperator) -> Player:
    """Return a player of Acme's."""
    return PlayerFactory.create(operator=acme.operator)


def sequences(operator: Operator) -> list[int | None]:
    return list(
        WalletCall.objects.filter(operator=operator).order_by("ledger_sequence").values_list("ledger_sequence", flat=True)
    )


@contextmanager
def uncommitted_movement(player: Player) -> Iterator[WalletCall]:
    """Yield a movement that another connection has stored, and commits only after the block."""
    stored, commit, made = threading.Event(), threading.Event(), []

    def store() -> None:
        try:
            with transaction.atomic():
                made.append(MovementFactory.create(operator=player.operator, player=player))
                stored.set()
                commit.wait(10)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        storing = pool.submit(store)
        stored.wait(10)
        try:
            yield made[0]
        finally:
            commit.set()
        storing.result()


class TestNumbering:
    def test_gives_a_movement_that_was_committed_late_a_place_behind_those_already_seen(
        self, acme: NewOperator, player: Player
    ) -> None:
        with uncommitted_movement(player) as late:
            early = MovementFactory.create(operator=acme.operator, player=player)
            first = ledger.read_ledger(operator=acme.operator, after=0, limit=10)
            assert numbering.is_complete(operator_id=acme.operator.pk)
        assert [row.id for row in first.rows] == [early.pk]
        second = ledger.read_ledger(operator=acme.operator, after=first.rows[-1].sequence, limit=10)
        assert [row.id for row in second.rows] == [late.pk]
        # The control: who went on from the highest id or time would never have seen it.
        assert late.pk < early.pk
        assert late.created_at < early.created_at

    def test_has_no_gap_and_no_repeat_under_concurrent_commits_rollbacks_and_numberers(
        self, acme: NewOperator, player: Player
    ) -> None:
        stopping = threading.Event()

        def store(seed: int) -> int:
            random, committed = Random(seed), 0  # noqa: S311 - timing
            try:
                for _ in range(25):
                    with transaction.atomic():
                        MovementFactory.create(operator=acme.operator, player=player)
                        sleep(random.random() / 200)
                        rollback = random.random() < 0.2
                        transaction.set_rollback(rollback)
                    committed += not rollback
            finally:
                connection.close()
            return committed

        def number(operator_id: int | None) -> None:
            try:
                while not stopping.is_set():
                    numbering.number_movements(operator_id=operator_id)
            finally:
                connection.close()

        def read() -> list[int]:
            seen: list[int] = []
            try:
                last_round = False
                while not (last_round and len(seen) == numbered()):
                    last_round = stopping.is_set()
                    page = ledger.read_ledger(operator=acme.operator, after=seen[-1] if seen else 0, limit=7)
                    seen += [row.sequence for row in page.rows]
            finally:
                connection.close()
            return seen

        def numbered() -> int:
            return WalletCall.objects.filter(ledger_sequence__isnull=False).count()

        with ThreadPoolExecutor(8) as pool:
            numberers = [pool.submit(number, operator_id) for operator_id in (None, acme.operator.pk)]
            readers = [pool.submit(read) for _ in range(2)]
            committed = sum(pool.map(store, range(4)))
            stopping.set()
            for numberer in numberers:
                numberer.result()
            for reader in readers:
                assert reader.result() == list(range(1, committed + 1))
        assert sequences(acme.operator) == list(range(1, committed + 1))

    def test_needs_its_lock(self, acme: NewOperator, player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
        """The control: without it, who numbers while another does so wants the same numbers, and fails."""
        monkeypatch.setattr(numbering, "_LOCK", "SELECT %(key)s::bigint IS NOT NULL")
        MovementFactory.create(operator=acme.operator, player=player)

        def number() -> int:
            try:
                return numbering.number_movements(operator_id=acme.operator.pk)
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic():
                WalletCall.objects.filter(ledger_sequence=None).update(ledger_sequence=1)
                other = pool.submit(number)
                sleep(0.3)
            with pytest.raises(IntegrityError, match="decided once"):
                other.result()
        assert sequences(acme.operator) == [1]

    def test_is_each_operators_own_and_goes_batch_by_batch(
        self, acme: NewOperator, stranger: NewOperator, player: Player, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(numbering, "BATCH", 10)
        WalletCall.objects.bulk_create(MovementFactory.build_batch(25, operator=acme.operator, player=player))
        MovementFactory.create(operator=stranger.operator)
        assert numbering.number_movements() == 26
        assert numbering.number_movements() == 0
        assert (sequences(acme.operator), sequences(stranger.operator)) == (list(range(1, 26)), [1])

    def test_passes_over_what_has_not_moved(self, acme: NewOperator, player: Player) -> None:
        for state, due in {"pending": True, "unknown": True, "refused": False, "closed": False}.items():
            MovementFactory.create(
                operator=acme.operator,
                player=player,
                state=state,
                reason=Reason.CASHBACK,
                resolved_at=None,
                next_attempt_at="2026-01-01T00:00Z" if due else None,
            )
        MovementFactory.create(operator=acme.operator, player=player, type=CallType.ROLLBACK, reason=Reason.ROLLBACK)
        assert numbering.number_movements() == 0


class TestAMovementThatIsNumbered:
    @pytest.mark.parametrize(
        "change",
        [
            {"ledger_sequence": 2},
            {"ledger_sequence": None},
            {"state": CallState.CLOSED},
            {"base_amount_minor": 1},
            {"provider_txn_ref": "another"},
            {"balance_after_minor": 5},
        ],
    )
    def test_never_changes(self, acme: NewOperator, player: Player, change: dict[str, object]) -> None:
        call = MovementFactory.create(operator=acme.operator, player=player)
        numbering.number_movements()
        before = WalletCall.objects.values().get(pk=call.pk)
        with pytest.raises(IntegrityError, match="decided once"):
            WalletCall.objects.filter(pk=call.pk).update(**change)
        assert WalletCall.objects.values().get(pk=call.pk) == before

    @pytest.mark.parametrize("change", [{"base_amount_minor": 1}, {"state": CallState.CLOSED}])
    def test_is_given_its_number_and_nothing_else(self, acme: NewOperator, player: Player, change: dict[str, object]) -> None:
        call = MovementFactory.create(operator=acme.operator, player=player)
        with pytest.raises(IntegrityError):
            WalletCall.objects.filter(pk=call.pk).update(ledger_sequence=1, **change)
        assert WalletCall.objects.get(pk=call.pk).ledger_sequence is None

    def test_can_not_get_it_while_its_fate_is_open(self, acme: NewOperator, player: Player) -> None:
        call = MovementFactory.create(
            operator=acme.operator, player=player, state="pending", resolved_at=None, next_attempt_at="2026-01-01T00:00Z"
        )
        with pytest.raises(IntegrityError):
            WalletCall.objects.filter(pk=call.pk).update(ledger_sequence=1)
        with pytest.raises(IntegrityError, match="decided once"):
            WalletCall.objects.filter(pk=call.pk).update(
                state="accepted", resolved_at=call.created_at, next_attempt_at=None, ledger_sequence=1
            )
        assert WalletCall.objects.get(pk=call.pk).state == "pending"
