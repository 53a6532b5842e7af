"""The wallet: what each player has, and every movement of it, acted on once. Contract section 10.

Refusals, as `errorCode`:

    INSUFFICIENT_FUNDS    the player has less than the debit asks for
    ROLLED_BACK           the debit was taken back before; it stays refused, also where it only arrives now
    IDEMPOTENCY_CONFLICT  the key stands for another movement: type, player, amount or currency differ
    INVALID_REQUEST       a field is missing or malformed; answered with HTTP 400
"""

import json
import sqlite3
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

Json = dict[str, object]

DEBIT, CREDIT, ROLLBACK, BALANCE = "wallet.debit", "wallet.credit", "wallet.rollback", "wallet.balance"

# What a player starts with, in each currency. Your casino has deposits instead.
OPENING_MINOR = 50_000
LARGEST_MINOR = 2**53 - 1


class InvalidCall(ValueError):
    """The call can't be read; says which field is wrong."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A wallet call, checked. `wallet.balance` has neither key nor amount."""

    type: str
    player: str
    currency: str
    key: str = ""
    amount_minor: int = 0


def read(body: bytes) -> Call:
    """Return the call that these bytes hold. Raises InvalidCall."""
    try:
        fields = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise InvalidCall("The body is not JSON in UTF-8.") from None
    if not isinstance(fields, dict):
        raise InvalidCall("The body is not a JSON object.")
    kind, player, currency = (_text(fields, name) for name in ("type", "playerExternalId", "currency"))
    if kind == BALANCE:
        return Call(type=kind, player=player, currency=currency)
    if kind not in {DEBIT, CREDIT, ROLLBACK}:
        raise InvalidCall("type is none that this wallet knows.")
    # The header Idempotency-Key says the same, for proxies and logs; only the body is signed.
    key, amount = _text(fields, "idempotencyKey"), fields.get("amountMinor")
    if kind == ROLLBACK and key != f"rollback:{_text(fields, 'rollbackOf')}":
        raise InvalidCall("idempotencyKey of a rollback is rollback: and the key in rollbackOf.")
    if type(amount) is not int or not 1 <= amount <= LARGEST_MINOR:
        raise InvalidCall("amountMinor is not a whole number from 1 to 2^53 - 1.")
    return Call(type=kind, player=player, currency=currency, key=key, amount_minor=amount)


def answer(db: sqlite3.Connection, call: Call, *, at: str) -> Json:
    """Return the answer to send. Belongs into a transaction of `database`, so that two calls never act at once."""
    if call.type == BALANCE:
        return {"balanceMinor": balance(db, call.player, call.currency), "currency": call.currency}
    movement = _movement(db, call.key)
    if movement is None:
        movement = _act(db, call, at=at)
    elif _call_of(movement) != call:
        return {"accepted": False, "errorCode": "IDEMPOTENCY_CONFLICT"}
    # From here on a repeat and the first call go the same way: a refusal stays one, also after a top-up.
    if movement["error_code"] is not None:
        return {
            "accepted": False,
            "errorCode": movement["error_code"],
            "balanceAfterMinor": movement["balance_after_minor"],
        }
    if _is_rolled_back(db, call):
        return {"accepted": False, "errorCode": "ROLLED_BACK"}
    return {
        "accepted": True,
        "balanceAfterMinor": movement["balance_after_minor"],
        "providerTxnRef": _reference(movement),
    }


def balance(db: sqlite3.Connection, player: str, currency: str) -> int:
    """Return what the player has, in minor units."""
    row = db.execute("SELECT balance_minor FROM balances WHERE player = ? AND currency = ?", (player, currency)).fetchone()
    return OPENING_MINOR if row is None else int(row["balance_minor"])


def players(db: sqlite3.Connection) -> list[str]:
    """Return the players that the wallet has met, at most 50."""
    return [row["player"] for row in db.execute("SELECT DISTINCT player FROM balances ORDER BY player LIMIT 50")]


def statement(db: sqlite3.Connection) -> Json:
    """Return everything in the books, oldest first, to compare with the platform's own."""
    movements = [
        {
            "key": row["key"],
            "type": row["type"],
            "player": row["player"],
            "amountMinor": row["amount_minor"],
            "movedMinor": row["moved_minor"],
            "currency": row["currency"],
            "accepted": row["error_code"] is None,
            "errorCode": row["error_code"],
            "providerTxnRef": _reference(row) if row["error_code"] is None else None,
            "at": row["at"],
        }
        for row in db.execute("SELECT * FROM movements ORDER BY id")
    ]
    balances = [
        {
            "player": row["player"],
            "currency": row["currency"],
            "openingMinor": row["opening_minor"],
            "balanceMinor": row["balance_minor"],
        }
        for row in db.execute("SELECT * FROM balances ORDER BY player, currency")
    ]
    return {"movements": movements, "balances": balances}


def bookings(db: sqlite3.Connection) -> Iterator[list[str]]:
    """Yield what moved money as rows of a table, headings first: the statement that finance matches with the platform's."""
    yield ["Transaction", "Platform's key", "Player", "Type", "Amount", "Currency", "Booked at"]
    for row in db.execute("SELECT * FROM movements WHERE moved_minor <> 0 ORDER BY id"):
        yield [
            _reference(row),
            row["key"],
            row["player"],
            row["type"],
            str(row["moved_minor"]),
            row["currency"],
            row["at"],
        ]


def _act(db: sqlite3.Connection, call: Call, *, at: str) -> sqlite3.Row:
    before = balance(db, call.player, call.currency)
    moved, error_code = _decide(db, call, before)
    db.execute(
        "INSERT INTO balances VALUES (:player, :currency, :before, :after)"
        " ON CONFLICT (player, currency) DO UPDATE SET balance_minor = :after",
        {"player": call.player, "currency": call.currency, "before": before, "after": before + moved},
    )
    db.execute(
        "INSERT INTO movements (key, type, player, amount_minor, currency, error_code, moved_minor,"
        " balance_after_minor, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (call.key, call.type, call.player, call.amount_minor, call.currency, error_code, moved, before + moved, at),
    )
    movement = _movement(db, call.key)
    assert movement is not None
    return movement


def _decide(db: sqlite3.Connection, call: Call, before: int) -> tuple[int, str | None]:
    """Return what the call does to the balance, and the refusal's code."""
    if call.type == CREDIT:
        return call.amount_minor, None  # a player who has left, or is blocked, is still paid
    if call.type == DEBIT:
        if _is_rolled_back(db, call):
            return 0, "ROLLED_BACK"
        return (0, "INSUFFICIENT_FUNDS") if call.amount_minor > before else (-call.amount_minor, None)
    debit = _movement(db, call.key.removeprefix("rollback:"))
    if debit is None:
        return 0, None  # this row is the tombstone: it refuses the debit, should it arrive after all
    if (debit["type"], debit["player"], debit["amount_minor"], debit["currency"]) != (
        DEBIT,
        call.player,
        call.amount_minor,
        call.currency,
    ):
        return 0, "IDEMPOTENCY_CONFLICT"
    return -debit["moved_minor"], None  # nothing, where the debit was refused


def _is_rolled_back(db: sqlite3.Connection, call: Call) -> bool:
    if call.type != DEBIT:
        return False
    rollback = _movement(db, f"rollback:{call.key}")
    return rollback is not None and rollback["type"] == ROLLBACK and rollback["error_code"] is None


def _movement(db: sqlite3.Connection, key: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute("SELECT * FROM movements WHERE key = ?", (key,)).fetchone()
    return row


def _call_of(movement: sqlite3.Row) -> Call:
    return Call(**{name: movement[name] for name in ("type", "player", "currency", "key", "amount_minor")})


def _reference(movement: sqlite3.Row) -> str:
    return f"w-{movement['id']}"


def _text(fields: Json, name: str) -> str:
    """Return a text of 1 to 200 characters that a database and a page can hold."""
    value = fields.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise InvalidCall(f"{name} is not a text of 1 to 200 characters.")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise InvalidCall(f"{name} has control characters.")
    return value
