"""Single sign-on's two doors: the operator's backend asks for a ticket, its person comes in by it (contract section 13)."""

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from rest_framework.request import Request

from lootbox.core.answers import Answer
from lootbox.core.fields import print_moment
from operators import sso
from operators.authentication import Caller, host_operator
from operators.staff_sessions import begin_session
from operators.views import S2SView


class AdminSsoView(S2SView):
    """`POST /api/s2s/admin-sso`."""

    def post(self, request: Request) -> Answer:
        """Answer a link into the administration, the same one for the same signed request."""
        caller: Caller = request.auth  # type: ignore[assignment]
        issued = sso.issue(
            request=sso.read_request(self.read_body()),
            operator=self.operator,
            key_id=caller.key.key_id,
            signature=request.headers["X-Signature"],
            at=self.now,
        )
        answer = {
            "ssoUrl": request.build_absolute_uri(f"/admin/sso?ticket={issued.ticket}"),
            "expiresAt": print_moment(issued.expires_at),
        }
        return Answer(answer, status=201, headers={"Idempotent-Replayed": "true"} if issued.replayed else {})


@never_cache
@require_safe
def come_in(request: HttpRequest) -> HttpResponse:
    """`GET /admin/sso?ticket=`: let the person in, or say in plain words why not."""
    now = timezone.now()
    try:
        user, path = sso.redeem(ticket=request.GET.get("ticket", ""), at=now, host_operator=host_operator(request))
    except sso.TicketRefused as refusal:
        return render(request, "admin/sso_refused.html", {"why": str(refusal)}, status=403)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    begin_session(request, at=now, by_ticket=True)
    return HttpResponseRedirect(path)
