"""What a file that nobody mapped yet probably means; a person confirms it on a page with a preview."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from finance.matching.errors import BrokenFile
from finance.matching.files import XLSX, Cells, Layout, as_text
from finance.matching.formats import (
    BY_COLUMN,
    BY_TYPE,
    COLUMNS,
    MAJOR,
    MINOR,
    SIGNED,
    TIMES,
    UNSIGNED,
    Format,
    column_names,
    unnamed_columns,
)  # fmt: skip
from finance.matching.lines import LineReader

_HEADINGS: Final[Mapping[str, frozenset[str]]] = {
    "key": frozenset({
        "idempotencykey", "key", "yourkey", "ourkey", "platformskey", "suppliertransactionid", "suppliertxid",
        "supplierreference",
        "externaltransactionid", "externalid", "externalref", "providertransactionid", "gametransactionid",
        "transactionkey", "requestid",
    }),
    "reference": frozenset({
        "transactionid", "transaction", "txid", "txnid", "tx", "txn", "id", "reference", "ref", "providertxnref", "internalid",
        "bookingid", "walletreference", "theirid", "theirtransactionid", "casinotransactionid", "wallettransactionid",
    }),
    "player": frozenset({
        "player", "playerid", "playerexternalid", "user", "userid", "customer", "customerid", "account", "accountid", "spieler",
    }),
    "amount": frozenset({
        "amount", "amountminor", "amountcents", "value", "sum", "betrag", "moved", "movedminor", "montant", "importe", "belopp",
    }),
    "debit": frozenset({
        "debit", "debits", "debitamount", "amountdebit", "debitminor", "debitcents", "withdrawal", "withdrawals", "bet", "bets",
        "betamount", "stake", "stakeamount", "wager", "soll", "lastschrift", "débit", "debe", "cargo", "debet",
    }),
    "credit": frozenset({
        "credit", "credits", "creditamount", "amountcredit", "creditminor", "creditcents", "deposit", "deposits", "win", "wins",
        "winamount", "payout", "payouts", "haben", "gutschrift", "crédit", "haber", "abono", "kredit",
    }),
    "currency": frozenset({"currency", "ccy", "currencycode", "waehrung", "währung", "devise", "moneda", "valuta"}),
    "type": frozenset({"type", "transactiontype", "kind", "operation", "direction", "action", "typ"}),
    "status": frozenset({"status", "state", "result"}),
    "time": frozenset({
        "time", "at", "date", "datetime", "timestamp", "created", "createdat", "booked", "bookedat", "processedat", "zeit",
        "datum", "transactiondate", "transactiontime",
    }),
}  # fmt: skip
_OUR_KEY: Final = re.compile(r"(round|payout:round|refund:round|rollback:round):r_|cashback:inventory:|shipping:player:|check:")
_DEBIT: Final = re.compile("debit|bet|wager|stake|withdraw|purchase|^d$|^-$", re.IGNORECASE)
_BOOKED: Final = re.compile(
    "^(ok|booked|success|successful|completed|complete|done|settled|accepted|approved|processed)$", re.IGNORECASE
)
_NOT_ALPHANUMERIC: Final = re.compile(r"[\W_]+")
_LOOKS_LIKE_DATA: Final = re.compile(r"[-+]?[0-9][0-9.,:\- T]*Z?|(round|payout|refund):.*")
SAMPLE: Final = 200


def guess(sample: Sequence[tuple[int, Cells]], layout: Layout, *, currency: str, time_zone: str) -> Format:
    """Return the likeliest mapping of a file that begins with these rows; columns that nothing speaks for stay unmapped."""
    header_row, names, data = _header(sample)
    texts = {name: [as_text(cells[place]) for cells in data if place < len(cells)] for place, name in enumerate(names)}
    form = Format(
        kind=layout.kind, encoding=layout.encoding, delimiter=layout.delimiter, header_row=header_row,
        one_currency=currency, time_zone=time_zone, **_columns(texts),
    )  # fmt: skip
    names_of_amounts = [form.amount] if form.amount else [form.debit, form.credit]
    amounts = [text for name in names_of_amounts for text in texts.get(name, [])]
    # A spreadsheet's numbers are numbers, whatever separator it shows.
    comma = layout.kind != XLSX and any(re.search(r",[0-9]{1,2}$", text) for text in amounts)
    fractions = any(re.search(r"[.,][0-9]{1,2}$", text) for text in amounts)
    says_minor = re.search("minor|cent", names_of_amounts[0], re.IGNORECASE) is not None
    unit = MINOR if says_minor or (amounts and not fractions) else MAJOR
    words = sorted({text for text in texts.get(form.type, []) if text})[:30]
    below = any(text.startswith(("-", "\u2212")) for text in amounts)
    sign = SIGNED if below or not amounts else BY_TYPE if words else UNSIGNED
    sign = BY_COLUMN if form.debit else sign
    form = replace(
        form,
        decimal="," if comma else ".",
        unit=unit,
        sign=sign,
        debit_words=tuple(word for word in words if _DEBIT.search(word)),
        credit_words=tuple(word for word in words if not _DEBIT.search(word)),
        booked_words=_booked_words(texts.get(form.status, [])),
    )
    return replace(form, status=form.status if form.booked_words else "", time_format=_time_format(form, names, data))


def _header(sample: Sequence[tuple[int, Cells]]) -> tuple[int, list[str], list[Cells]]:
    """Return the header's line number, 0 for none, the columns' names, and the rows below."""
    headings = frozenset().union(*_HEADINGS.values())
    for place, (number, cells) in enumerate(sample[:20]):
        if sum(_plain(as_text(cell)) in headings for cell in cells) >= 2:
            return number, _names(cells), [row for _, row in sample[place + 1 :]]
    if not sample:
        raise BrokenFile("The file has no rows. Export the statement again.")
    number, first = sample[0]
    if any(_LOOKS_LIKE_DATA.fullmatch(as_text(cell)) for cell in first):
        return 0, unnamed_columns(len(_trimmed(first))), [row for _, row in sample]
    return number, _names(first), [row for _, row in sample[1:]]


def _names(cells: Cells) -> list[str]:
    return column_names(_trimmed(cells))


def _trimmed(cells: Cells) -> Cells:
    width = max((place for place, cell in enumerate(cells, 1) if as_text(cell)), default=0)
    return cells[:width]


def _columns(texts: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, cells in texts.items():
        if any(_OUR_KEY.match(text) for text in cells):
            found["key"] = name
            break
    for column in COLUMNS:
        for name in texts:
            if column not in found and name not in found.values() and _plain(name) in _HEADINGS[column]:
                found[column] = name
    if "amount" in found or not ("debit" in found and "credit" in found):
        return {column: name for column, name in found.items() if column not in {"debit", "credit"}}
    return found


def _booked_words(statuses: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({text for text in statuses if _BOOKED.match(text)}))


def _time_format(form: Format, names: Sequence[str], data: Sequence[Cells]) -> str:
    if not form.time:
        return form.time_format
    place = names.index(form.time)
    texts = [as_text(cells[place]) for cells in data if place < len(cells)]
    return next((time_format for time_format in TIMES if _reads_all(texts, time_format)), form.time_format)


def _reads_all(times: Sequence[str], time_format: str) -> bool:
    form = Format(key="k", amount="a", time="t", one_currency="EUR", time_format=time_format)
    reader = LineReader(form, ["k", "a", "t"])
    try:
        for text in times:
            reader.read(1, ["k", "1", text])
    except BrokenFile:
        return False
    return True


def _plain(heading: str) -> str:
    return _NOT_ALPHANUMERIC.sub("", heading).casefold()
