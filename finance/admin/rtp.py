"""The pages of the RTP watch."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from catalog.models import BoxVersion
from finance import rtp, watch
from finance.models import Flag, FlagKind
from finance.models.flags import UNRESOLVED
from operators.staff import operator_ids, scoped


def overview(request: HttpRequest) -> HttpResponse:
    """Answer every series that drew lately, against its odds."""
    user = _viewer(request)
    found = rtp.watched(at=timezone.now(), operator_ids=operator_ids(user))
    flags = scoped(Flag.objects.filter(kind=FlagKind.RTP, state__in=UNRESOLVED), user=user, path="operator")
    flagged = {(flag.box_version_id, flag.currency, flag.funding): flag.pk for flag in flags[: rtp.MOST_SERIES]}
    series = [(one, flagged.get((one.series.version_id, one.series.currency, one.series.funding))) for one in found]
    return _page(request, "admin/rtp_watch.html", "RTP watch", {"series": series, "most": rtp.MOST_SERIES})


def of_version(request: HttpRequest, version_id: int) -> HttpResponse:
    """Answer one box version: what was drawn against what its odds say."""
    user = _viewer(request)
    if not scoped(BoxVersion.objects.filter(pk=version_id), user=user, path="operator").exists():
        raise Http404
    at, table = timezone.now(), watch.tables([version_id])[version_id]
    found = rtp.watched(at=at, operator_ids=None, version_id=version_id)
    chosen = rtp.chosen(found, request.GET)
    name = table.version.box.name[table.version.operator.default_locale]
    more = {
        "version": table.version,
        "found": found,
        "chosen": chosen,
        "report": rtp.report(series=chosen.series, known=table, at=at) if chosen else None,
        "theory": watch.percent(float(table.law.mean / table.version.price_minor)),
        "alpha": watch.probability(watch.alpha()),
        "false_alarms": settings.LOOTBOX_RTP_FALSE_ALARMS,
    }
    return _page(request, "admin/rtp.html", f"RTP of {name}, version {table.version.number}", more)


def _viewer(request: HttpRequest) -> User:
    if not isinstance(request.user, User) or not request.user.has_perm("finance.view_flag"):
        raise PermissionDenied
    return request.user


def _page(request: HttpRequest, template: str, title: str, more: Mapping[str, Any]) -> HttpResponse:
    return TemplateResponse(request, template, {**admin.site.each_context(request), "title": title, **more})
