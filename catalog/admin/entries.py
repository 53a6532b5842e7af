"""Items and attributes: lists, and forms that save by the way of the catalogue file."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from catalog import importing
from catalog.admin.pages import OwnPages, Row, by
from catalog.forms import AttributeForm, ItemForm, ReasonedForm
from catalog.models import Attribute, Item
from lootbox.core.errors import ApiError
from lootbox.core.wording import money
from operators.admin_base import OwnOperators
from operators.models import Operator


class EntryAdmin(OwnPages[Row]):
    """Rows that a catalogue file has a list of, named by `kind`."""

    kind = ""

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:  # noqa: ARG002 - Django's signature
        """Answer the form of a new one, and make it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        operator = self.operator_or_choice(request, f"New {self.opts.verbose_name}")
        return operator if isinstance(operator, HttpResponse) else self._form(request, operator, None)

    def page(self, request: HttpRequest, row: Any) -> HttpResponse:
        """Answer the form of a row, and change it."""
        return self._form(request, row.operator, row)

    def new_form(self, data: Any, operator: Operator, row: Any) -> ReasonedForm:
        """Return the form of a row, or of a new one."""
        raise NotImplementedError

    def _form(self, request: HttpRequest, operator: Operator, row: Any) -> HttpResponse:
        may_change = self.has_change_permission(request, row) if row else True
        form = self.new_form(request.POST or None, operator, row)
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        if request.method == "POST" and form.is_valid():
            try:
                saved = importing.save_entry(
                    operator=operator,
                    kind=self.kind,
                    entry=form.entry(),
                    by=by(request, form.cleaned_data["reason"]),
                    at=timezone.now(),
                )
            except ApiError as error:
                form.add_problems(error)
            else:
                messages.success(request, f"{saved} is saved.")
                return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"))
        title = str(row) if row else f"New {self.opts.verbose_name} of {operator.name}"
        context = {"form": form, "row": row, "operator": operator, "may_change": may_change}
        return self.answer(request, "admin/catalogue/entry.html", title, context)


@admin.register(Item)
class ItemAdmin(EntryAdmin[Item]):
    """What can be won."""

    kind = "items"
    list_display = ("sku", "shown_name", "operator", "type", "value", "cashback", "shippable")
    list_filter = (("operator", OwnOperators), "type")
    list_select_related = ("operator",)
    search_fields = ("=sku",)
    search_help_text = "A sku, exactly"
    ordering = ("-id",)

    def new_form(self, data: Any, operator: Operator, row: Any) -> ReasonedForm:
        """Return the form of an item."""
        return ItemForm(data, operator=operator, item=row)

    @admin.display(description="name")
    def shown_name(self, item: Item) -> str:
        """Return the name in the operator's default locale."""
        return str(item.name.get(item.operator.default_locale, ""))

    @admin.display(description="worth")
    def value(self, item: Item) -> str:
        """Return what it is worth now."""
        return money(item.value_minor, item.currency)

    @admin.display(description="cashback")
    def cashback(self, item: Item) -> str:
        """Return what it can be given back for."""
        return "by the operator's rate" if item.cashback_minor is None else money(item.cashback_minor, item.currency)


@admin.register(Attribute)
class AttributeAdmin(EntryAdmin[Attribute]):
    """Custom attributes of boxes, which operators declare."""

    kind = "attributes"
    list_display = ("name", "operator", "type", "default")
    list_filter = (("operator", OwnOperators), "type")
    list_select_related = ("operator",)
    search_fields = ("=name",)
    ordering = ("operator", "name")

    def new_form(self, data: Any, operator: Operator, row: Any) -> ReasonedForm:
        """Return the form of an attribute."""
        return AttributeForm(data, operator=operator, attribute=row)
