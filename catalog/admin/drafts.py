"""Drafts: the page on which a box is worked on, with all its figures as one types."""

import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from catalog import drafts, gate, services
from catalog.admin.boxes import shown_table
from catalog.admin.pages import OwnPages, by
from catalog.comparing import compare
from catalog.contents import lines_of, published_table
from catalog.figures import Table
from catalog.forms import BoxForm, PrizeForms, SlugForm, lines_typed, prize_initial
from catalog.models import Attribute, BoxDraft, DraftState, Item
from lootbox.core.money import exponent
from lootbox.core.wording import money
from operators.admin_base import OwnOperators
from operators.guided import ACTIONS
from operators.models import ActionRequest, RequestState


@admin.register(BoxDraft)
class BoxDraftAdmin(OwnPages[BoxDraft]):
    """What boxes are to become."""

    list_display = ("slug", "operator", "shown_state", "edited_by", "edited_at", "scheduled_for")
    list_filter = (("operator", OwnOperators), "state")
    list_select_related = ("operator",)
    search_fields = ("=slug",)
    search_help_text = "A slug, exactly"
    ordering = ("-edited_at",)

    def get_urls(self) -> list[URLPattern]:
        """Add what the page asks for as one types."""
        look = self.admin_site.admin_view(require_POST(self.look))
        return [path("<path:object_id>/look/", look, name="catalog_boxdraft_look"), *super().get_urls()]

    def related(self) -> tuple[str, ...]:
        """Return what is read with a draft."""
        return ("operator", "box", "based_on", "version")

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:  # noqa: ARG002 - Django's signature
        """Ask for the slug of a new box, and begin its draft."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        operator = self.operator_or_choice(request, "New box")
        if isinstance(operator, HttpResponse):
            return operator
        form = SlugForm(request.POST or None)
        if form.is_valid():
            slug = form.cleaned_data["slug"]
            try:
                draft = drafts.begin_new(operator=operator, slug=slug, by=by(request, "began a draft"), at=timezone.now())
            except drafts.NotPossible as refusal:
                form.add_error("slug", str(refusal))
            else:
                return HttpResponseRedirect(reverse("admin:catalog_boxdraft_change", args=[draft.pk]))
        context = {"form": form, "operator": operator}
        return self.answer(request, "admin/catalogue/new_box.html", f"New box of {operator.name}", context)

    def page(self, request: HttpRequest, row: BoxDraft) -> HttpResponse:
        """Answer the draft's page, and save it."""
        editable = self.has_change_permission(request, row) and row.state == DraftState.OPEN and row.scheduled_for is None
        forms = _Forms(request.POST or None, row)
        if request.method == "POST":
            if not editable:
                raise PermissionDenied
            if forms.are_valid() and self._save(request, row, forms):
                return HttpResponseRedirect(request.get_full_path())
        table = Table(row.price_minor, row.operator.base_currency, lines_of(draft=row))
        context = {
            "draft": row,
            "form": forms.box,
            "prizes": forms.prizes,
            "items": forms.choices,
            "digits": exponent(row.operator.base_currency),
            "editable": editable,
            "waiting": self._waiting(row),
            "most": drafts.MOST_PRIZES,
            **_side(row, table),
        }
        return self.answer(request, "admin/catalogue/draft.html", f"Draft of {row.slug}", context)

    def look(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer what the gate will say of what is typed and not saved, what changes, and the chart."""
        row = self.row(request, object_id)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        forms = _Forms(request.POST, row)
        if not forms.are_valid():
            return self.answer(request, "admin/catalogue/draft_unread.html", row.slug, {"problems": forms.problems()})
        table = Table(forms.box.cleaned_data.get("price") or 0, row.operator.base_currency, lines_typed(forms.prizes))
        return self.answer(request, "admin/catalogue/draft_side.html", row.slug, _side(row, table))

    def _save(self, request: HttpRequest, row: BoxDraft, forms: "_Forms") -> bool:
        try:
            drafts.save(
                draft=row,
                content=forms.box.content(lines_typed(forms.prizes)),
                seen_at=dt.datetime.fromisoformat(forms.box.cleaned_data["seen_at"]),
                by=by(request, "worked on the draft"),
                at=timezone.now(),
            )
        except drafts.NotPossible as refusal:
            messages.error(request, str(refusal))
            return False
        messages.success(request, "Saved. Nothing is published yet.")
        return True

    def _waiting(self, row: BoxDraft) -> ActionRequest | None:
        requests = ActionRequest.objects.filter(operator=row.operator, action="publish_box", state=RequestState.WAITING)
        return requests.filter(subject=ACTIONS["publish_box"].subject(row)).select_related("requested_by").first()

    @admin.display(description="state")
    def shown_state(self, draft: BoxDraft) -> str:
        """Return the state as a badge."""
        word = "scheduled" if draft.scheduled_for else "trouble" if draft.trouble else draft.state
        tone = {"open": "bo-held", "scheduled": "bo-waiting", "published": "bo-live", "trouble": "bo-failed"}.get(word, "")
        return format_html('<span class="bo-badge {}">{}</span>', tone, word.capitalize())


class _Forms:
    """The two forms of a draft's page."""

    def __init__(self, data: Any, draft: BoxDraft) -> None:
        operator = draft.operator
        attributes = list(Attribute.objects.filter(operator=operator).order_by("name"))
        self.items = {item.sku: item for item in Item.objects.filter(operator=operator).order_by("sku")}
        locale, currency = operator.default_locale, operator.base_currency
        self.choices = [
            (item, f"{item.name.get(locale, item.sku)}, {money(item.value_minor, currency)}") for item in self.items.values()
        ]
        self.box = BoxForm(data, operator=operator, attributes=attributes, draft=draft)
        self.prizes = PrizeForms(
            data,
            prefix="prizes",
            # With what was posted all prizes count as new: the page sends them in their order, whatever was there before.
            initial=None if data else [prize_initial(line) for line in lines_of(draft=draft)],
            form_kwargs={"operator": operator, "items": self.items},
        )

    def are_valid(self) -> bool:
        # Both are asked, so that all mistakes show at once.
        return all([self.box.is_valid(), self.prizes.is_valid()])

    def problems(self) -> list[str]:
        """Return each mistake with where it is."""
        found = [f"{self.box.fields[name].label or name}: {' '.join(map(str, said))}" for name, said in self.box.errors.items()]
        found += [str(said) for said in self.prizes.non_form_errors()]
        for index, form in enumerate(self.prizes.forms):
            found += [f"Prize {index + 1}: {' '.join(map(str, said))}" for said in form.errors.values()]
        return found


def _side(draft: BoxDraft, table: Table) -> dict[str, Any]:
    current = services.current_version(box=draft.box) if draft.box else None
    before = published_table(current) if current else None
    locale = draft.operator.default_locale
    return {
        "current": current,
        "difference": compare(before=before, after=table, locale=locale),
        "checks": gate.look(operator=draft.operator, table=table),
        **shown_table(table, locale=locale),
    }
