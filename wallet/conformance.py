"""What a wallet has to pass before it goes live: its side of contract section 10, tried with one player's small change.

The calls belong to no round, item or order, so they are no part of the ledger. Their keys start with `check:`, a rollback's
with `rollback:check:`, by which whoever compares books with the operator tells them from the rest; the audit log says who
asked for them, before the first goes out and when all are answered.
"""

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from ulid import ULID

from lootbox.core import db
from lootbox.core.ids import Prefix
from operators import audit
from operators.audit import By
from operators.models import MYSTERY_BOX, Operator
from wallet import bodies, client, services
from wallet.client import BalanceUnavailable, WalletEndpoint
from wallet.models import CallType, Reason
from wallet.outcomes import Fate, Outcome

KEY_PREFIX: Final = "check:"
COPIES: Final = 50
AT_ONCE: Final = 25
OLD: Final = dt.timedelta(hours=1)
RESTORE_TRIES: Final = 3
REASONS: Final = {
    CallType.DEBIT: Reason.PURCHASE,
    CallType.CREDIT: Reason.REFUND,
    CallType.ROLLBACK: Reason.ROLLBACK,
}

Clock = Callable[[], dt.datetime]


class CannotCheck(Exception):
    """The checks could not be run; the message is a sentence that says what to do."""


@dataclass(frozen=True)
class Finding:
    """One check: whether it was passed, what was seen, and what to do where it was not."""

    check: str
    passed: bool
    seen: str
    advice: str


def check_wallet(
    *, operator: Operator, player: str, amount_minor: int, currency: str, by: By, clock: Clock
) -> Iterator[Finding]:
    """Try the operator's wallet with debits and credits of `amount_minor`, and yield what each check found.

    The player's balance ends where it began, or the last finding says that it does not; nobody should play meanwhile. Two rules
    can't be tried from here: an answer that comes late or gets lost is followed by the same call, and keys are kept for as long
    as books are. Raises `CannotCheck`.
    """
    if not operator.wallet_url:
        raise CannotCheck("The operator has no wallet address yet. Set walletUrl, then try again.")
    trial = _Trial(operator, player, amount_minor, currency, clock)
    opening = trial.balance()
    if opening < amount_minor:
        raise CannotCheck(
            f"The player has {opening} in minor units of {currency}. Give them {amount_minor} or more, then try again."
        )
    details = {"keys": trial.prefix, "amountMinor": amount_minor, "currency": currency, "balanceMinor": opening}
    _note("wallet_check_begun", trial, by, details)
    passed: dict[str, bool] = {}
    for check in [*CHECKS, *([_rollback] if operator.wallet_rollback else [])]:
        finding = check(trial, opening)
        trial.restore(opening)
        passed[finding.check] = finding.passed
        yield finding
    closing = trial.balance()
    _note("wallet_check_ended", trial, by, {"keys": trial.prefix, "passed": passed, "balanceMinor": closing})
    yield Finding(
        "all is given back",
        closing == opening,
        f"the balance was {opening} and is {closing}",
        f"Correct the player's balance by {opening - closing} by hand; a credit was not acted on, or more than once.",
    )


@dataclass
class _Trial:
    operator: Operator
    player: str
    amount_minor: int
    currency: str
    clock: Clock
    run: ULID = field(default_factory=ULID)
    _restored: Iterator[int] = field(default_factory=itertools.count)

    @property
    def prefix(self) -> str:
        return f"{KEY_PREFIX}{self.run}:"

    @property
    def endpoint(self) -> WalletEndpoint:
        return services.endpoint(operator=self.operator, at=self.clock())

    def balance(self) -> int:
        try:
            return client.balance(
                endpoint=self.endpoint, player_external_id=self.player, currency=self.currency, at=self.clock()
            )
        except BalanceUnavailable as error:
            message = f"The wallet gave no balance: {error} Look in its books for keys that start with {self.prefix}"
            raise CannotCheck(message) from error

    def ask(
        self,
        call_type: CallType,
        name: str,
        *,
        amount_minor: int | None = None,
        endpoint: WalletEndpoint | None = None,
        at: dt.datetime | None = None,
    ) -> Outcome:
        """Send one call under the key of this name, and return what became of it."""
        amount = self.amount_minor if amount_minor is None else amount_minor
        debit_key = f"{self.prefix}{name}"
        rolls_back = call_type is CallType.ROLLBACK
        key = f"rollback:{debit_key}" if rolls_back else debit_key
        body = bodies.money_call(
            call_type=call_type,
            idempotency_key=key,
            player=self.player,
            amount_minor=amount,
            currency=self.currency,
            base_amount_minor=amount,
            base_currency=self.operator.base_currency,
            reason=REASONS[call_type],
            details={
                "roundPublicId": f"{Prefix.ROUND.value}{self.run}",
                "gameKey": MYSTERY_BOX,
                "mode": "open",
                "clientActionId": debit_key,
            },
            rollback_of=debit_key if rolls_back else None,
        )
        return client.call(endpoint=endpoint or self.endpoint, body=body, idempotency_key=key, at=at or self.clock())

    def restore(self, opening: int) -> None:
        for _ in range(RESTORE_TRIES):
            missing = opening - self.balance()
            if missing == 0:
                return
            call_type = CallType.CREDIT if missing > 0 else CallType.DEBIT
            self.ask(call_type, f"restore-{next(self._restored)}", amount_minor=abs(missing))


def _same_debit_twice(trial: _Trial, before: int) -> Finding:
    answers = [trial.ask(CallType.DEBIT, "twice") for _ in range(2)]
    return _finding(
        "the same debit twice is one",
        trial,
        answers,
        before=before,
        expected=[Fate.ACCEPTED, Fate.ACCEPTED],
        moved=-trial.amount_minor,
        also=answers[0].provider_txn_ref == answers[1].provider_txn_ref,
        advice="Keep the answer under its idempotencyKey in the transaction that moves the money, and repeat it, with its"
        " providerTxnRef, when the key comes again.",
    )


def _same_credit_twice(trial: _Trial, before: int) -> Finding:
    answers = [trial.ask(CallType.CREDIT, "credit-twice") for _ in range(2)]
    return _finding(
        "the same credit twice is one",
        trial,
        answers,
        before=before,
        expected=[Fate.ACCEPTED, Fate.ACCEPTED],
        moved=trial.amount_minor,
        also=answers[0].provider_txn_ref == answers[1].provider_txn_ref,
        advice="Treat credits as debits: one effect and one answer a key, whether the player is logged in or not.",
    )


def _other_amount(trial: _Trial, before: int) -> Finding:
    other = trial.amount_minor + 1
    answers = [trial.ask(CallType.DEBIT, "other"), trial.ask(CallType.DEBIT, "other", amount_minor=other)]
    return _finding(
        "a key stands for one amount",
        trial,
        answers,
        before=before,
        expected=[Fate.ACCEPTED, Fate.REFUSED],
        moved=-trial.amount_minor,
        advice="Compare type, player, amount and currency with what the key stands for, and refuse what differs.",
    )


def _at_once(trial: _Trial, before: int) -> Finding:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: trial.ask(CallType.DEBIT, "at-once"), range(COPIES)))
    fates = {answer.fate for answer in answers}
    moved = trial.balance() - before
    # Too busy is no answer, and does no harm: the same call comes again. A refusal of what was taken would.
    return Finding(
        f"{COPIES} of the same debit at once are one",
        moved == -trial.amount_minor and Fate.ACCEPTED in fates and Fate.REFUSED not in fates,
        f"answered {_words(sorted(fates))}, the balance moved by {moved}",
        "Have the database keep the key unique, and answer those that come second when the first is committed.",
    )


def _sticky_refusal(trial: _Trial, before: int) -> Finding:
    too_much = before + trial.amount_minor
    first = trial.ask(CallType.DEBIT, "refused", amount_minor=too_much)
    top_up = trial.ask(CallType.CREDIT, "top-up")
    again = trial.ask(CallType.DEBIT, "refused", amount_minor=too_much)
    return _finding(
        "a refusal stays one after a top-up",
        trial,
        [first, top_up, again],
        before=before,
        expected=[Fate.REFUSED, Fate.ACCEPTED, Fate.REFUSED],
        moved=trial.amount_minor,
        advice="Keep refusals under their key too. Otherwise a round that we have voided is paid for when we ask once more.",
    )


def _wrong_signature(trial: _Trial, before: int) -> Finding:
    stranger = replace(trial.endpoint, secret="whsec_of-somebody-else", previous_secret=None)  # noqa: S106 - it has to be wrong
    answer = trial.ask(CallType.CREDIT, "forged", endpoint=stranger)
    return _unmoved(
        "a wrong signature moves nothing", trial, answer, before, "Check X-Signature over the raw body, first of all."
    )


def _old_timestamp(trial: _Trial, before: int) -> Finding:
    answer = trial.ask(CallType.CREDIT, "old", at=trial.clock() - OLD)
    return _unmoved("an old timestamp moves nothing", trial, answer, before, "Refuse an X-Timestamp more than 300 seconds off.")


def _rollback(trial: _Trial, before: int) -> Finding:
    answers = [
        trial.ask(CallType.ROLLBACK, "never-seen"),
        trial.ask(CallType.DEBIT, "never-seen"),
        trial.ask(CallType.DEBIT, "taken"),
        trial.ask(CallType.ROLLBACK, "taken"),
        trial.ask(CallType.ROLLBACK, "taken"),
        trial.ask(CallType.DEBIT, "taken"),
    ]
    yes, no = Fate.ACCEPTED, Fate.REFUSED
    return _finding(
        "a rollback is remembered",
        trial,
        answers,
        before=before,
        expected=[yes, no, yes, yes, yes, no],
        moved=0,
        advice="Keep the rollback of a debit that you never saw, and refuse that debit when it comes; or unset walletRollback.",
    )


CHECKS: Final = (
    _same_debit_twice,
    _same_credit_twice,
    _other_amount,
    _at_once,
    _sticky_refusal,
    _wrong_signature,
    _old_timestamp,
)


def _finding(
    check: str,
    trial: _Trial,
    answers: list[Outcome],
    *,
    before: int,
    expected: list[Fate],
    moved: int,
    advice: str,
    also: bool = True,
) -> Finding:
    fates, seen_moved = [answer.fate for answer in answers], trial.balance() - before
    seen = f"answered {_words(fates)}, the balance moved by {seen_moved}"
    return Finding(check, fates == expected and seen_moved == moved and also, seen, advice)


def _unmoved(check: str, trial: _Trial, answer: Outcome, before: int, advice: str) -> Finding:
    moved = trial.balance() - before
    seen = f"answered {answer.http_status or 'nothing'}, {answer.fate}, the balance moved by {moved}"
    return Finding(check, answer.fate is not Fate.ACCEPTED and moved == 0, seen, advice)


def _words(fates: list[Fate]) -> str:
    return ", ".join(fate.value.replace("_", " ") for fate in fates)


def _note(action: str, trial: _Trial, by: By, after: dict[str, object]) -> None:
    with db.phase():
        audit.record(by=by, action=action, operator=trial.operator, subject=trial.player, at=trial.clock(), after=after)
