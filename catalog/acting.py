"""What people may do about boxes: publish, schedule, discard, republish, take offline, import."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from django import forms
from django.contrib.auth.models import User

from catalog import contents, drafts, gate, importing, services
from catalog.comparing import compare
from catalog.figures import Table
from catalog.models import Box, BoxDraft, BoxVersion, CatalogueUpload, DraftState
from lootbox.core import strict_json
from lootbox.core.errors import ApiError
from lootbox.core.wording import money
from operators.guided import Doing, Guided, ReasonForm, Refused

CHANGED: Final = "Boxes that players hold already keep their prizes. The operator gets the webhook box_published."


class SeenForm(ReasonForm):
    """What was looked at, so that only that is agreed to."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)


class PublishForm(SeenForm):
    """When a draft is published."""

    field_order = ("when", "reason", "seen")
    when = forms.DateTimeField(
        label="When (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="Empty: now. The gate is asked again at that time.",
    )

    def clean_when(self) -> str:
        """Return the time as text, which a request for a second person can keep."""
        when: dt.datetime | None = self.cleaned_data["when"]
        return when.isoformat() if when else ""


class _Publishing(Guided):
    """What puts a prize table before players: shown with its gate and what changes, by two people where so asked."""

    permission = "operators.publish_box"
    related = ("operator", "box")
    form: ClassVar[type[ReasonForm]] = SeenForm
    details_template = "admin/catalogue/verdict.html"

    def needs_second(self, row: Any) -> bool:
        """Return whether the operator wants two people."""
        return bool(row.operator.publish_by_two)

    def seen(self, row: Any) -> str:
        """Return the digest of what is shown."""
        raise NotImplementedError

    def table(self, row: Any) -> Table:
        """Return the prize table that would be published."""
        raise NotImplementedError

    def new_form(self, row: Any, user: User, data: Any) -> ReasonForm:  # noqa: ARG002 - the same for everybody
        """Return the form, which holds what was looked at."""
        return self.form(data, initial={"seen": self.seen(row)})

    def details(self, row: Any) -> Mapping[str, Any]:
        """Return the gate's verdict and what changes."""
        table, current = self.table(row), services.current_version(box=row.box) if row.box else None
        before = contents.published_table(current) if current else None
        verdict = gate.examine(operator=row.operator, table=table)
        return {
            "verdict": verdict,
            "closed": not verdict.passed,
            "difference": compare(before=before, after=table, locale=row.operator.default_locale),
            "current": current,
            "draws": f"{gate.DRAWS:,}",
            "figures": _simulated(verdict, table),
        }


class PublishDraft(_Publishing):
    """Publish a draft, now or later."""

    name, title, model, form = "publish_box", "Publish", BoxDraft, PublishForm

    def subject(self, row: BoxDraft) -> str:
        """Return the box's slug."""
        return row.slug

    def refusal(self, row: BoxDraft) -> str | None:
        """Return why it can't be published."""
        return _not_open(row) or ("It is scheduled. Take it off the schedule first." if row.scheduled_for else None)

    def seen(self, row: BoxDraft) -> str:
        """Return the draft's digest."""
        return contents.digest(draft=row)

    def table(self, row: BoxDraft) -> Table:
        """Return the draft's table."""
        return contents.table_of(draft=row)

    def preview(self, row: BoxDraft, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what becomes of it."""
        if row.box is None:
            return ["The box is made and on sale from the next request on.", CHANGED]
        offline = [] if row.box.active else ["The box is offline, and stays so until somebody puts it online."]
        return [f"{row.slug} is sold as below from the next request on, or from the time that you choose.", CHANGED, *offline]

    def perform(self, doing: Doing) -> str:
        """Publish it, or put it on the schedule."""
        at, when = doing.clock(), doing.inputs["when"]
        try:
            if when:
                moment = dt.datetime.fromisoformat(when)
                drafts.schedule(draft=doing.row, seen=doing.inputs["seen"], when=moment, by=doing.by, at=at)
                return f"{doing.subject} is published on {moment:%d %B %Y at %H:%M} UTC, unless the gate is closed by then."
            version = drafts.publish(draft=doing.row, seen=doing.inputs["seen"], by=doing.by, at=at)
        except drafts.NotPossible as refusal:
            raise Refused(str(refusal)) from refusal
        return f"{doing.subject} is published; version {version.number} is what players buy."


class _OnDrafts(Guided):
    permission, model = "catalog.change_boxdraft", BoxDraft
    related = ("operator", "box")

    def subject(self, row: BoxDraft) -> str:
        """Return the box's slug."""
        return row.slug


class UnscheduleDraft(_OnDrafts):
    """Take a draft off the schedule."""

    name, title = "unschedule_draft", "Take it off the schedule"

    def refusal(self, row: BoxDraft) -> str | None:
        """Return why it isn't on it."""
        return _not_open(row) or (None if row.scheduled_for else "It is not scheduled.")

    def preview(self, row: BoxDraft, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what stays."""
        return ["Nothing is published. The draft stays as it is, and can be edited again."]

    def perform(self, doing: Doing) -> str:
        """Take it off."""
        try:
            drafts.unschedule(draft=doing.row, by=doing.by, at=doing.clock())
        except drafts.NotPossible as refusal:
            raise Refused(str(refusal)) from refusal
        return "The draft is not scheduled any more."


class DiscardDraft(_OnDrafts):
    """End a draft without publishing it."""

    name, title = "discard_draft", "Discard"

    def refusal(self, row: BoxDraft) -> str | None:
        """Return why it can't be discarded."""
        return _not_open(row) or ("It is scheduled. Take it off the schedule first." if row.scheduled_for else None)

    def preview(self, row: BoxDraft, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what stays."""
        return ["Nothing of it is published. It can still be looked at, but not be opened again."]

    def perform(self, doing: Doing) -> str:
        """Discard it."""
        try:
            drafts.discard(draft=doing.row, by=doing.by, at=doing.clock())
        except drafts.NotPossible as refusal:
            raise Refused(str(refusal)) from refusal
        return "The draft is discarded."


class Republish(_Publishing):
    """Publish an old version's prize table again."""

    name, title, model = "republish_box", "Publish this version again", BoxVersion

    def subject(self, row: BoxVersion) -> str:
        """Return box and number."""
        return f"{row.box.slug} v{row.number}"

    def refusal(self, row: BoxVersion) -> str | None:
        """Return that it is what can be bought."""
        return None if row.superseded_at else "This version is what can be bought now."

    def seen(self, row: BoxVersion) -> str:
        """Return the digest of what it would be now."""
        return contents.again_digest(version=row)

    def table(self, row: BoxVersion) -> Table:
        """Return what it would be now."""
        return contents.again(version=row)

    def preview(self, row: BoxVersion, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what comes back."""
        return [
            f"A new version of {row.box.slug} has the price and prizes of version {row.number}, items named and valued as now.",
            CHANGED,
        ]

    def perform(self, doing: Doing) -> str:
        """Publish it again."""
        try:
            version = drafts.republish(version=doing.row, seen=doing.inputs["seen"], by=doing.by, at=doing.clock())
        except drafts.NotPossible as refusal:
            raise Refused(str(refusal)) from refusal
        return f"Version {version.number} of {version.box.slug} is like version {doing.row.number}."


class _OnBoxes(Guided):
    permission, model = "operators.publish_box", Box
    related = ("operator",)

    def subject(self, row: Box) -> str:
        """Return the box's slug."""
        return row.slug


class TakeOffline(_OnBoxes):
    """Stop the sale of a box at once; one person can, whatever the operator asks for publication."""

    name, title = "take_box_offline", "Take offline at once"

    def refusal(self, row: Box) -> str | None:
        """Return that it is offline."""
        return None if row.active else "The box is offline already."

    def preview(self, row: Box, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what stops and what goes on."""
        return [
            "From the next request on nobody can buy this box; a purchase is answered BOX_NOT_PLAYABLE.",
            "Boxes that were bought and wait unopened are opened and refunded as before.",
        ]

    def perform(self, doing: Doing) -> str:
        """Take it off."""
        services.set_active(box=doing.row, active=False, by=doing.by, at=doing.clock())
        return f"{doing.subject} is offline."


class PutOnline(_OnBoxes):
    """Sell a box again."""

    name, title = "put_box_online", "Put online"

    def refusal(self, row: Box) -> str | None:
        """Return why it can't be sold."""
        if row.active:
            return "The box is online already."
        return None if services.current_version(box=row) else "The box has no published version yet. Publish a draft of it."

    def needs_second(self, row: Box) -> bool:
        """Return whether the operator wants two people for what players can buy."""
        return row.operator.publish_by_two

    def preview(self, row: Box, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say what is sold."""
        version = services.current_version(box=row)
        assert version is not None
        return [f"From the next request on version {version.number} of this box can be bought."]

    def perform(self, doing: Doing) -> str:
        """Put it on."""
        services.set_active(box=doing.row, active=True, by=doing.by, at=doing.clock())
        return f"{doing.subject} is online."


class ImportUpload(Guided):
    """Import a catalogue file that was uploaded."""

    name, title, permission, model = "import_boxes", "Import", "operators.publish_box", CatalogueUpload
    related = ("operator",)
    details_template = "admin/catalogue/file_changes.html"

    def subject(self, row: CatalogueUpload) -> str:
        """Return the file's name and which of that name it is."""
        return f"{row.file_name} ({row.sha256[:8]})"

    def needs_second(self, row: CatalogueUpload) -> bool:
        """Return whether the operator wants two people for what is published."""
        return row.operator.publish_by_two

    def refusal(self, row: CatalogueUpload) -> str | None:
        """Return what is wrong with the file, place by place."""
        if row.imported_at:
            return f"It was imported on {row.imported_at:%d %B %Y at %H:%M} UTC."
        try:
            changes = self._changes(row)
        except ApiError as error:
            wrong = " ".join(f"{path}: {problem}" for path, problem in list((error.fields or {}).items())[:10])
            return f"Nothing can be imported from this file. {wrong}"
        return None if changes else "Everything in this file is as it says already."

    def preview(self, row: CatalogueUpload, at: dt.datetime) -> Sequence[str]:  # noqa: ARG002 - says the same at any time
        """Say how much changes."""
        changes = self._changes(row)
        published = sum(change.difference is not None for change in changes)
        return [
            f"{len(changes)} attributes, items and boxes are made or changed; {published} boxes are published anew.",
            CHANGED,
        ]

    def details(self, row: CatalogueUpload) -> Mapping[str, Any]:
        """Return what changes."""
        return {"changes": self._changes(row)}

    def perform(self, doing: Doing) -> str:
        """Import it."""
        result = importing.import_upload(upload=doing.row, by=doing.by, at=doing.clock())
        return f"Imported; {sum(box.published for box in result.boxes)} boxes were published."

    def _changes(self, row: CatalogueUpload) -> Sequence[importing.FileChange]:
        # Asked for several times for one page, and about as dear as the import itself.
        if "previewed" not in vars(row):
            document, operator = strict_json.loads(row.content.encode()), row.operator
            vars(row)["previewed"] = importing.preview(operator=operator, document=document, at=row.uploaded_at)
        changes: Sequence[importing.FileChange] = vars(row)["previewed"]
        return changes


def _simulated(verdict: gate.Verdict, table: Table) -> list[tuple[str, str]]:
    """Return what the simulation found, in words."""
    found = verdict.simulation
    if found is None:
        return []
    statistic, freedom, chance = found.chi_square()
    return [
        ("RTP", f"{100 * found.rtp:.3f} %, by the weights {100 * found.expected_rtp:.3f} %"),
        ("Average payout", money(round(found.mean), table.currency)),
        ("Standard deviation", money(round(found.deviation), table.currency)),
        ("99 % of draws", f"are worth {money(found.percentile(0.99), table.currency)} or less"),
        ("Largest drawn", money(found.largest, table.currency)),
        ("Worth the price", f"{100 * found.hit_frequency:.2f} % of draws"),
        ("Longest losing streak", f"{found.longest_losing_streak:,} draws"),
        ("Chi-square", f"{statistic:.2f} with {freedom} degrees of freedom, p = {chance:.3f}"),
    ]


def _not_open(row: BoxDraft) -> str | None:
    return None if row.state == DraftState.OPEN else f"The draft is {row.get_state_display().lower()} already."


ACTIONS: Final = (PublishDraft(), UnscheduleDraft(), DiscardDraft(), Republish(), TakeOffline(), PutOnline(), ImportUpload())
