"""What people may do about flags: take one up, and close it as explained or as no matter."""

import datetime as dt
from collections.abc import Sequence
from typing import ClassVar, Final

from finance import closing, flags
from finance.models import ClosedDay, Flag, FlagState
from finance.models.flags import UNRESOLVED
from operators.guided import Doing, Guided, Refused


class _OnFlags(Guided):
    permission, model = "finance.handle_flag", Flag
    related = ("operator", "player", "box")
    state: ClassVar[FlagState]
    from_states: ClassVar[Sequence[FlagState]] = UNRESOLVED

    def subject(self, row: Flag) -> str:
        """Return the flag's number."""
        return f"flag {row.pk}"

    def refusal(self, row: Flag) -> str | None:
        """Return why it can't change any more."""
        return None if row.state in self.from_states else f"This flag is {row.get_state_display().lower()} already."

    def perform(self, doing: Doing) -> str:
        """Change the flag's state."""
        try:
            flags.change_state(flag=doing.row, state=self.state, by=doing.by, at=doing.clock())
        except flags.NotOpen as refusal:
            raise Refused(str(refusal)) from refusal
        return f"The flag is {self.state.label.lower()}."


class LookAt(_OnFlags):
    """Tell colleagues that somebody is at it."""

    name, title, state = "look_at_flag", "I am looking at this", FlagState.LOOKED_AT
    from_states = (FlagState.OPEN,)

    def preview(self, row: Flag, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what that tells."""
        return [row.summary, "Colleagues see that you look into it. The flag stays open until somebody closes it."]


class _Close(_OnFlags):
    def preview(self, row: Flag, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what follows from closing."""
        after = ["The same cause raises no second flag. What comes after now is watched anew."]
        if row.box_paused and row.box is not None and not row.box.active:
            after.append("The box stays offline until somebody offers it for sale again.")
        return [row.summary, *after]


class Explain(_Close):
    """Close a flag whose cause was found."""

    name, title, state = "explain_flag", "Close as explained", FlagState.EXPLAINED


class Dismiss(_Close):
    """Close a flag that tells of nothing unusual."""

    name, title, state = "dismiss_flag", "Dismiss", FlagState.DISMISSED


class ReopenDay(Guided):
    """Re-open the newest closed day, so that it is closed anew; always by two people."""

    name, title, permission, model = "reopen_day", "Re-open this day", "finance.reopen_day", ClosedDay
    always_two = True
    related = ("operator", "previous")

    def subject(self, row: ClosedDay) -> str:
        """Return operator and day."""
        return f"{row.operator.slug} {row.day}"

    def refusal(self, row: ClosedDay) -> str | None:
        """Return why it can't be re-opened."""
        return closing.refusal(closed=row)

    def preview(self, row: ClosedDay, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what becomes of it."""
        return [
            f"{row.day} can then be closed anew. What moved before its end and was written down since is then in it.",
            "What moved after its end stays with the next day.",
            f"This close stays as it is, marked as re-opened, with its hash {row.hash[:12]}… to compare with.",
        ]

    def perform(self, doing: Doing) -> str:
        """Re-open the day."""
        try:
            closing.reopen(closed=doing.row, by=doing.by, at=doing.clock())
        except closing.NotClosable as refusal:
            raise Refused(str(refusal)) from refusal
        return f"{doing.row.day} is open again."


ACTIONS: Final = (LookAt(), Explain(), Dismiss(), ReopenDay())
