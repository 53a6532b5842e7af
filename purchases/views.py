"""Rounds on the signed surface (contract sections 3, 5, 6 and 7)."""

import datetime as dt
import secrets
from uuid import UUID

from rest_framework.request import Request

from lootbox.core import db
from lootbox.core.answers import Answer
from lootbox.core.pagination import Page, decode_cursor
from operators.views import S2SView
from purchases import history, limits, selectors
from purchases.answers import PurchaseAnswer
from purchases.requests import check_external_id, read_limits, read_open_held, read_purchase
from purchases.services import buying, cancelling, opening
from vault.requests import EXTERNAL_ID_LENGTH, read_idempotency_key, read_player

REPLAYED = {"Idempotent-Replayed": "true"}


def utc_now() -> dt.datetime:
    """Return the clock's time, which a purchase reads four times; Django's `now` asks its settings first, which takes long."""
    return dt.datetime.now(dt.UTC)


class PurchaseView(S2SView):
    """`POST /api/s2s/purchase`: buy and open, buy and hold, or open a held round (contract section 5)."""

    moves_money = True
    presumes = True

    def post(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer the round, 200 for an open and 201 for a pre-pay."""
        body, operator = self.read_body(), self.operator
        player = read_player(body)
        if body.has("roundPublicId"):
            held = read_open_held(body, operator=operator, player=player)
            self.confirm_operator()
            answer = opening.open_held(request=held, clock=utc_now)
        else:
            purchase = read_purchase(body, operator=operator, player=player)
            self.presumes = False  # from here on the purchase's own statement compares
            answer = buying.purchase(request=purchase, clock=utc_now, secrets=secrets.token_hex)
        return self.answer(answer)

    def answer(self, answer: PurchaseAnswer) -> Answer:
        """Return the response for a purchase's answer."""
        headers = REPLAYED if answer.replayed else {}
        return Answer(answer.as_json(operator=self.operator), status=answer.status, headers=headers)


class CancelView(S2SView):
    """`POST /api/s2s/cancel` (contract section 6)."""

    moves_money = True

    def post(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer the refunded round."""
        body = self.read_body()
        player, public_id, key = read_player(body), body.text("roundPublicId", maximum=64), read_idempotency_key(body)
        body.check()
        cancelled = cancelling.cancel(
            operator=self.operator,
            player=player,
            round_public_id=public_id,
            idempotency_key=key,
            clock=db.clock,
        )
        return Answer(cancelled.as_json(), headers=REPLAYED if cancelled.replayed else {})


class LimitsView(S2SView):
    """`GET` and `PUT /api/s2s/players/{playerExternalId}/limits` (contract section 3)."""

    def get(self, request: Request, player: str) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer what holds the player back, and what is spent of it."""
        check_external_id(player)
        return Answer(limits.limits_json(operator=self.operator, external_id=player, at=self.now))

    def put(self, request: Request, player: str) -> Answer:  # noqa: ARG002 - DRF's signature
        """Replace what holds the player back, and answer it."""
        check_external_id(player)
        blocked, caps = read_limits(self.read_body(), operator=self.operator)
        limits.set_limits(operator=self.operator, external_id=player, blocked=blocked, caps=caps)
        return Answer(limits.limits_json(operator=self.operator, external_id=player, at=self.now))


class RoundView(S2SView):
    """`GET /api/s2s/rounds/{publicId}` (contract section 7)."""

    def get(self, request: Request, public_id: str) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer the round with its wallet calls."""
        return Answer(selectors.round_with_calls(operator=self.operator, round_public_id=public_id))


class HistoryView(S2SView):
    """`GET /api/s2s/history` (contract section 7)."""

    def get(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer a page of a player's history, newest first."""
        query = self.read_query()
        external_id = query.text("playerExternalId", maximum=EXTERNAL_ID_LENGTH)
        types = query.choices("types", options=history.TYPES)
        since, until = query.moment("from"), query.moment("to", end=True)
        limit = query.positive("limit", default=50, largest=200)
        position = decode_cursor(query.optional_text("cursor", maximum=500), row_id=UUID)
        query.check()
        player = selectors.find_player(operator=self.operator, external_id=external_id)
        page: Page[history.HistoryRow] = Page([], None, None)
        if player is not None:
            page = history.history(
                operator=self.operator,
                player_id=player.pk,
                types=types,
                since=since,
                until=until,
                position=position,
                limit=limit,
            )
        return Answer(page.as_json(history.HistoryRow.as_json))
