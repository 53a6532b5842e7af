"""What a difference probably comes from, in a sentence for people, and what to do about it."""

import datetime as dt
from collections.abc import Mapping
from typing import Final, NamedTuple

from finance.models import Category, Difference
from lootbox.core.wording import duration, money


class Said(NamedTuple):
    """The likely reason of a difference and the suggested act."""

    reason: str
    act: str


_ASK: Final = "Open the call and have the wallet asked again, or resolve it by the operator's word. Then match again."
_CASINO: Final = "Send the line to the casino and ask for a correction of its books."
_GIVE_BACK: Final = "Ask the casino whether the money moved. If it did, the casino has to give it back in its own books."
_OTHER_DAY: Final = "Match the neighbouring day's statement too. Nothing is lost if it has the line."

REASONS: Final[Mapping[str, Said]] = {
    # amount differs
    "currency": Said("The casino booked it in another currency than it was asked in.", _CASINO),
    "player": Said("The casino booked it on another player's account than it was asked to.", _CASINO),
    "sign": Said(
        "The casino booked it the other way round, a debit as a credit or a credit as a debit.",
        "If all lines are so, map the sign anew. Otherwise the casino has to correct its books.",
    ),
    "unit": Said(
        "The amounts differ by a factor of a hundred or so: minor units were read as whole ones, or the other way round.",
        "Map the amount's unit anew and match again.",
    ),
    "amount": Said("The casino booked another amount than it was asked to.", _CASINO),
    # missing at ours
    "check": Said(
        "The key is one of a wallet check, which plays calls that belong to no round.",
        "Nothing, if the check ran on this wallet that day. Run checks on a test wallet.",
    ),
    "our_form": Said(
        "The key is of our form, and we know no such call: our database was restored from before it, or lost a commit.",
        "Raise an alarm. Keep the file, and have the platform's people compare their backup with it.",
    ),
    "lost_with_round": Said(
        "The key names a round of ours that has no such call: the casino made it up, or our database lost it.",
        "Open the round. If its story needs this call, have the platform's people compare their backup with the file.",
    ),
    "foreign": Said(
        "The key is not one of ours: probably a transaction with another supplier.",
        "Have the casino leave other suppliers out of the file, or check that the right column is mapped.",
    ),
    "by_reference": Said(
        "The line has no key of ours, and no call of ours got this reference from the wallet.",
        "Have the casino put our idempotency key into the file. Without it, only accepted calls can be found.",
    ),
    # missing at theirs
    "accepted": Said(
        "The wallet answered that it had moved the money, and the statement has no such line: the casino's books lost it, or "
        "the file leaves it out.",
        "Ask the casino to look for the key. If it never moved the money, it owes the correction.",
    ),
    # duplicate
    "twice": Said("The statement has the same key twice: the casino acted twice on one call.", _CASINO),
    "twice_other_day": Said(
        "The statement of another day has the same booking already: the casino acted twice on one call.", _CASINO
    ),
    # timing
    "unresolved": Said(
        "We don't know yet whether the wallet moved the money, and the statement has nothing of it. The platform keeps asking.",
        "Match again when the call is resolved.",
    ),
    "on_another": Said("The statement of another day has it.", "Nothing, if the other statement's line agrees with it."),
    "near_edge": Said(
        "It was accepted close to the end of the period, so the casino may have booked it on the other side of it.", _OTHER_DAY
    ),
    "late": Said(
        "It was asked for on one side of the period's end and answered on the other; the casino may have booked it between.",
        _OTHER_DAY,
    ),
    "other_side": Said("Both have it, one within the period and one outside.", _OTHER_DAY),
    # state differs
    "refused": Said("We were told that it was refused, and the statement has it as booked.", _GIVE_BACK),
    "closed": Said("It was closed as not taken, by people or because it never left us, and the statement has it.", _GIVE_BACK),
    "unknown": Said("We don't know what became of it, and the casino booked it.", _ASK),
    "rollback_missing": Said(
        "We took it back by a rollback that the wallet accepted, and the statement has the debit without the rollback.",
        "Ask the casino to book the rollback.",
    ),
    "rollback_alone": Said(
        "The statement has the rollback of a debit that it does not have.",
        "Ask the casino to take the rollback back, or match the day of the debit too.",
    ),
}
_TIME_ZONE_STEP: Final = dt.timedelta(minutes=30)
_CLOCKS_DIFFER_BY: Final = dt.timedelta(minutes=3)


def said(row: Difference) -> Said:
    """Return the likely reason of a difference and what to do, with the figures of this one."""
    known = REASONS[row.reason]
    if row.category == Category.AMOUNT and row.theirs_minor is not None and row.ours_minor is not None:
        theirs, ours = money(row.theirs_minor, row.theirs_currency), money(row.ours_minor, row.ours_currency)
        return known._replace(reason=f"{known.reason} Theirs: {theirs}, ours: {ours}.")
    if row.reason == "other_side" and row.theirs_at is not None and row.ours_at is not None:
        return _between_clocks(known, row.theirs_at - row.ours_at)
    return known


def _between_clocks(known: Said, apart: dt.timedelta) -> Said:
    distance = abs(apart)
    steps = round(distance / _TIME_ZONE_STEP)
    when = "later" if apart > dt.timedelta(0) else "earlier"
    words = f"{known.reason} Theirs is {duration(distance.total_seconds())} {when} than ours."
    if 1 <= steps <= 28 and abs(distance - steps * _TIME_ZONE_STEP) <= _CLOCKS_DIFFER_BY:
        hours = f"{steps / 2:g} h"
        return Said(
            f"{words} That is almost exactly {hours}, as between time zones.",
            "Check the time zone in the mapping, and match again.",
        )
    return known._replace(reason=words)
