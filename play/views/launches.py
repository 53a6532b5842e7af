"""Launches on the signed surface (contract section 8)."""

from rest_framework.request import Request

from lootbox.core.answers import Answer
from lootbox.core.fields import print_moment
from operators.authentication import Caller
from operators.views import S2SView
from play.serializers import read_launch
from play.services import launching


class LaunchesView(S2SView):
    """`POST /api/s2s/launches`."""

    def post(self, request: Request) -> Answer:
        """Answer a launch token, the same one for the same signed request."""
        caller: Caller = request.auth  # type: ignore[assignment]
        launched = launching.launch(
            request=read_launch(self.read_body()),
            operator=self.operator,
            key_id=caller.key.key_id,
            signature=request.headers["X-Signature"],
            at=self.now,
        )
        answer = {
            "launchToken": launched.token,
            "launchUrl": request.build_absolute_uri(f"/play?token={launched.token}"),
            "expiresAt": print_moment(launched.expires_at),
        }
        return Answer(answer, status=201, headers={"Idempotent-Replayed": "true"} if launched.replayed else {})
