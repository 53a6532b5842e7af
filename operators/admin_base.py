"""What every page of the back-office rests on: only the rows of operators that a person belongs to, and no row counted."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from django.contrib.admin import RelatedOnlyFieldListFilter
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import ForeignKey, Model, QuerySet
from django.forms import ModelChoiceField
from django.http import Http404, HttpRequest
from django.utils.functional import cached_property

from operators import guided, guided_views
from operators.models import Operator, Player
from operators.staff import operator_ids, operators_seen, scoped

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin, TabularInline
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.views import ChangeList

Row = TypeVar("Row", bound=Model)
Parent = TypeVar("Parent", bound=Model)
FOUND: Final = 500


class UncountedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages over a list that may be long: it is counted up to its thousandth row only, which an index gives at once."""

    most: ClassVar[int] = 1000

    @cached_property
    def count(self) -> int:
        """Return the number of rows, at most `most`."""
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows[: self.most].count()


class SortedByIndex(ChangeList):
    """A list that is sorted by the columns of `sortable_by` only, also when its address says otherwise."""

    def get_ordering_field(self, field_name: Any) -> Any:
        """Return what a column is sorted by, None when it is not."""
        return super().get_ordering_field(field_name) if field_name in (self.sortable_by or ()) else None


class ScopedAdmin(ModelAdmin[Row]):
    """The base of every registered admin. `operator_path` is the lookup from a row to its operator, `pk` for operators.

    Lists, pages, actions and autocompletion all start from `get_queryset`, so a row of another operator is not found.
    """

    operator_path: ClassVar[str] = "operator"
    show_full_result_count = False
    paginator = UncountedPaginator
    list_per_page = 50
    list_max_show_all = 0
    # No column is sorted by unless an index has its order; say here which.
    sortable_by = ()
    list_fullwidth = True
    actions: Any = None
    # Names of guided actions that are offered for selected rows too, each row with an entry of its own in the audit log.
    acts_on_many: ClassVar[Sequence[str]] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        """Return the rows that the person may know of."""
        return scoped(super().get_queryset(request), user=request.user, path=self.operator_path)

    def found(self, term: str, operators: Sequence[int]) -> Sequence[Any] | None:  # noqa: ARG002 - for whoever overrides it
        """Return the keys of at most `FOUND` rows that a search stands for; None where `search_fields` say it, for short lists.

        Long tables are searched for equality only, in the order of an index that begins with the operator.
        """
        return None

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Row], search_term: str) -> tuple[QuerySet[Row], bool]:
        """Return the rows that a search stands for."""
        term = search_term.strip()
        keys = self.found(term, list(operators_seen(request.user).values_list("pk", flat=True))) if term else None
        return (
            super().get_search_results(request, queryset, search_term)
            if keys is None
            else (queryset.filter(pk__in=keys), False)
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002 - Django's signature
        """Return the list that no address can have sorted by a column without an index."""
        return SortedByIndex

    def in_scope(self, request: HttpRequest, obj: Row | None) -> bool:
        """Return whether the row, if one is asked about, belongs to an operator that the person sees."""
        if obj is None or obj.pk is None or operator_ids(request.user) is None:
            return True
        return self.get_queryset(request).filter(pk=obj.pk).exists()

    def has_view_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """Return whether the person may see the row."""
        return super().has_view_permission(request, obj) and self.in_scope(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """Return whether the person may change the row."""
        return super().has_change_permission(request, obj) and self.in_scope(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:
        """Return whether the person may delete the row."""
        return super().has_delete_permission(request, obj) and self.in_scope(request, obj)

    def formfield_for_foreignkey(self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        """Offer, and accept, only related rows of the person's operators."""
        return _scoped_field(super().formfield_for_foreignkey(db_field, request, **kwargs), db_field, request)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer our own actions, and the guided ones that the person may do; deleting many rows at once is none."""
        own = {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}
        offered = (guided.ACTIONS[name] for name in self.acts_on_many)
        permitted = (action for action in offered if request.user.has_perm(action.permission))
        return own | {action.name: (guided_views.choose(action.name), action.name, action.title) for action in permitted}


class ReadOnlyAdmin(ScopedAdmin[Row]):
    """Rows that nobody adds, changes or deletes here: money, draws, events, attempts, the log. People act by guided actions."""

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Return that nobody may."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return that nobody may."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Row | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return that nobody may."""
        return False


class ReadOnlyInline(TabularInline[Row, Parent]):
    """Rows on their parent's page, to be looked at."""

    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return that nobody may."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return that nobody may."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return that nobody may."""
        return False


def _scoped_field(field: Any, db_field: "ForeignKey[Any, Any]", request: HttpRequest) -> Any:
    if isinstance(field, ModelChoiceField) and field.queryset is not None:
        related = db_field.related_model
        if related is Operator:
            field.queryset = scoped(field.queryset, user=request.user, path="pk")
        elif any(known.name == "operator" for known in related._meta.get_fields()):  # noqa: SLF001 - Django's documented API
            field.queryset = scoped(field.queryset, user=request.user, path="operator")
    return field


class OwnOperators(RelatedOnlyFieldListFilter):
    """Offer the person's operators, without looking through the list for those that occur in it."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[Any]:  # noqa: ARG002 - Django's signature
        """Return the operators' ids and names."""
        return [(str(row.pk), row.name) for row in scoped(Operator.objects.order_by("name"), user=request.user, path="pk")]


def of_player(rows: QuerySet[Any], order: str, *, term: str, operators: Sequence[int]) -> list[Any]:
    """Return the keys of the latest rows of players of this id, by an index on operator, player and `order`."""
    keys: list[Any] = []
    for player in Player.objects.filter(operator__in=operators, external_id=term)[:FOUND]:
        latest = rows.filter(operator=player.operator_id, player=player).order_by(order, "-pk")
        keys += latest.values_list("pk", flat=True)[:FOUND]
    return keys


def one(queryset: QuerySet[Any], object_id: str) -> Any:
    """Return the row of a page's address, None when there is none. Raises `Http404` for what can't be an id."""
    try:
        return queryset.filter(pk=queryset.model._meta.pk.to_python(object_id)).first()  # noqa: SLF001 - documented API
    except ValidationError as error:
        raise Http404 from error
