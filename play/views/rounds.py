"""Rounds in a session: buy, open, cancel, look back (contract sections 5 to 8)."""

import secrets
from uuid import UUID

from django.utils import timezone
from rest_framework.request import Request

from lootbox.core import db
from lootbox.core.answers import Answer
from lootbox.core.pagination import decode_cursor
from operators.models import MYSTERY_BOX
from play import selectors
from play.serializers import read_wallet_key
from play.services import opening
from play.views.base import PlayView
from purchases import selectors as rounds
from purchases.models import Funding
from purchases.requests import read_open_held, read_purchase
from purchases.services import cancelling
from purchases.services.opening import open_held
from purchases.services.refunding import refund_key
from purchases.views import REPLAYED


class OpenRoundView(PlayView):
    """`POST /api/play/rounds/open`."""

    moves_money = True

    def post(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer the round, 200 for an open and 201 for a pre-pay."""
        body, session = self.read_body(), self.session
        if body.has("roundPublicId"):
            held = read_open_held(body, operator=self.operator, player=self.player)
            answer = open_held(request=held, clock=timezone.now)
        else:
            purchase = read_purchase(
                body,
                operator=self.operator,
                player=self.player,
                funding=Funding.PLAYER,
                game_key=MYSTERY_BOX,
                currency=session.currency,
                pinned_rate=session.pinned_rate,
            )
            answer = opening.purchase(session=session, request=purchase, clock=timezone.now, secrets=secrets.token_hex)
        headers = REPLAYED if answer.replayed else {}
        return Answer(answer.as_json(operator=self.operator), status=answer.status, headers=headers)


class CancelRoundView(PlayView):
    """`POST /api/play/rounds/cancel`."""

    moves_money = True

    def post(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer the refunded round."""
        body = self.read_body()
        public_id = body.text("roundPublicId", maximum=64)
        key = read_wallet_key(body, default=refund_key(public_id))
        body.check()
        cancelled = cancelling.cancel(
            operator=self.operator,
            player=self.player,
            round_public_id=public_id,
            idempotency_key=key,
            clock=db.clock,
        )
        return Answer(cancelled.as_json(), headers=REPLAYED if cancelled.replayed else {})


class RoundView(PlayView):
    """`GET /api/play/rounds/{publicId}`."""

    def get(self, request: Request, public_id: str) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer the round with its wallet calls."""
        return Answer(rounds.round_with_calls(operator=self.operator, round_public_id=public_id, player=self.player))


class RoundsView(PlayView):
    """`GET /api/play/rounds`, newest first."""

    held_only = False

    def get(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer a page of the player's rounds."""
        query = self.read_query()
        limit = query.positive("limit", default=50, largest=200)
        position = decode_cursor(query.optional_text("cursor", maximum=500), row_id=UUID)
        query.check()
        return Answer(selectors.rounds(session=self.session, held_only=self.held_only, position=position, limit=limit))


class VaultView(RoundsView):
    """`GET /api/play/vault`: the boxes that the player has not opened yet."""

    held_only = True
