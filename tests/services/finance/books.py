"""Both sides' books as matching tests write them: our wallet calls without rounds, and the casino's file."""

import csv
import datetime as dt
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

from ulid import ULID

from finance.matching.formats import MINOR, Format
from finance.models import Statement
from finance.services import statements
from operators.audit import By
from operators.models import Operator, Player
from wallet.models import WalletCall

DAY = dt.date(2026, 3, 4)
NOON = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
LATER = dt.datetime(2026, 3, 7, 9, tzinfo=dt.UTC)
FATIMA = By("fatima", "the day's statement")
FORM = Format(
    encoding="utf-8-sig", delimiter=",", key="Our key", reference="Their id", player="Player", amount="Amount",
    currency="Currency", time="Booked at", unit=MINOR,
)  # fmt: skip
HEADER = ("Our key", "Their id", "Player", "Amount", "Currency", "Booked at")


@dataclass(frozen=True)
class Booking:
    """One line of the casino's file; the amount is in minor units, below zero where it takes from the player."""

    key: str
    reference: str
    player: str
    amount_minor: int
    currency: str
    at: dt.datetime

    def changed(self, **fields: object) -> "Booking":
        """Return the same line with some fields as a faulty casino would write them."""
        return replace(self, **fields)  # type: ignore[arg-type]

    def cells(self) -> list[str]:
        """Return the line as the file has it."""
        at = self.at.astimezone(dt.UTC).isoformat()
        return [self.key, self.reference, self.player, str(self.amount_minor), self.currency, at]


@dataclass
class Books:
    """An operator's wallet calls, and the statement that agrees with them."""

    operator: Operator
    players: dict[str, Player] = field(default_factory=dict)

    def calls(self, count: int, *, at: dt.datetime = NOON, every: dt.timedelta = dt.timedelta(seconds=1)) -> list[WalletCall]:
        """Return so many accepted debits and payouts in turn, from `at` on."""
        calls = [self.call(at=at + place * every, credit=place % 3 == 2, save=False) for place in range(count)]
        return WalletCall.objects.bulk_create(calls, batch_size=2000)

    def call(
        self,
        *,
        at: dt.datetime = NOON,
        credit: bool = False,
        amount_minor: int = 500,
        currency: str = "EUR",
        player: str = "u_1",
        state: str = "accepted",
        resolved_after: dt.timedelta = dt.timedelta(milliseconds=40),
        key: str | None = None,
        type_: str | None = None,
        save: bool = True,
    ) -> WalletCall:
        """Return one call as it stands in our ledger."""
        if player not in self.players:
            self.players[player] = Player.objects.get_or_create(operator=self.operator, external_id=player)[0]
        made = ULID.from_timestamp(at.timestamp()).to_uuid()
        call_id = UUID(int=(made.int >> 80 << 80) | (uuid4().int >> 48))
        unresolved = state in {"pending", "unknown"}
        call = WalletCall(
            id=call_id,
            operator=self.operator,
            player=self.players[player],
            type=type_ or ("wallet.credit" if credit else "wallet.debit"),
            reason="payout" if credit else "purchase",
            idempotency_key=key or f"{'payout:' if credit else ''}round:r_{ULID.from_uuid(call_id)}",
            amount_minor=amount_minor,
            currency=currency,
            base_amount_minor=amount_minor,
            base_currency="EUR",
            body=b"{}",
            state=state,
            attempts=1,
            provider_txn_ref=f"w-{call_id.hex[-12:]}" if state == "accepted" else "",
            created_at=at,
            last_attempt_at=at,
            next_attempt_at=LATER if unresolved else None,
            resolved_at=None if unresolved else at + resolved_after,
        )
        if save:
            call.save(force_insert=True)
        return call

    def upload(self, lines: Iterable[Booking], *, day: dt.date = DAY, tolerance_minor: int = 0) -> Statement:
        """Return the statement of these lines after it was matched."""
        return match(self.operator, as_csv(lines), day=day, tolerance_minor=tolerance_minor)


def booked(calls: Iterable[WalletCall]) -> list[Booking]:
    """Return the lines of a casino whose books agree with these calls."""
    return [
        Booking(
            call.idempotency_key,
            call.provider_txn_ref,
            call.player.external_id,
            call.amount_minor if call.type == "wallet.credit" else -call.amount_minor,
            call.currency,
            call.created_at + dt.timedelta(milliseconds=20),
        )
        for call in calls
    ]


def as_csv(lines: Iterable[Booking], *, header: Sequence[str] = HEADER, **options: str) -> bytes:
    """Return the file of these lines."""
    text = io.StringIO()
    writer = csv.writer(text, **options)  # type: ignore[arg-type]
    writer.writerow(header)
    writer.writerows(line.cells() for line in lines)
    return text.getvalue().encode()


def receive(operator: Operator, content: bytes, *, day: dt.date = DAY, tolerance_minor: int = 0) -> Statement:
    """Return the statement that uploading these bytes makes."""
    return statements.receive(
        operator=operator,
        chunks=[content],
        file_name="march.csv",
        first_day=day,
        last_day=day,
        tolerance_minor=tolerance_minor,
        by=FATIMA,
        at=LATER,
    )


def match(operator: Operator, content: bytes, *, day: dt.date = DAY, tolerance_minor: int = 0) -> Statement:
    """Return the statement of these bytes after it was matched, or could not be."""
    statement = receive(operator, content, day=day, tolerance_minor=tolerance_minor)
    if statement.mapping is None:
        statements.confirm(statement=statement, form=FORM, by=FATIMA, at=LATER)
    done = statements.run(statement_id=statement.pk, clock=lambda: LATER)
    assert done is not None
    return done


def told(statement: Statement) -> list[tuple[str, str, str]]:
    """Return category, reason and key of each difference."""
    return sorted(statement.differences.values_list("category", "reason", "key"))
