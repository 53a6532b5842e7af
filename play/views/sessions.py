"""A session's life: in, alive, other currency, other language, balance, out (contract section 8)."""

import secrets

from rest_framework.request import Request

from lootbox.core.answers import Answer
from lootbox.core.fields import print_moment
from play import selectors, tokens
from play.services import balances, sessions
from play.views.base import OpenView, PlayView


class InitView(OpenView):
    """`POST /api/play/session/init`."""

    def post(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Consume a launch token and answer the bootstrap."""
        body, now, token = self.read_body(), self.now, tokens.new_session_token()
        launch_token = body.text("launchToken", maximum=tokens.LONGEST)
        body.check()
        session = sessions.start(
            launch_token=launch_token, slug=self.host_slug, session_token=token, at=now, secrets=secrets.token_hex
        )
        balance = balances.opening_balance(session=session, at=now)
        return Answer(selectors.bootstrap(session=session, token=token, balance=balance))


class HeartbeatView(PlayView):
    """`POST /api/play/session/heartbeat`."""

    def post(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Count the idle limit anew, and answer when the session ends and what the wallet says."""
        sessions.touch(session=self.session, at=self.now)
        balance = balances.balance(session=self.session, at=self.now)
        return Answer({"expiresAt": print_moment(sessions.expires_at(self.session)), **balance.as_json()})


class LogoutView(PlayView):
    """`POST /api/play/session/logout`."""

    def post(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Revoke the token."""
        sessions.end(session=self.session, at=self.now)
        return Answer(status=204)


class SwitchView(PlayView):
    """A view that changes how the session is shown, and answers the bootstrap anew."""

    def bootstrap(self) -> Answer:
        """Answer the bootstrap with the session's own token."""
        balance = balances.balance(session=self.session, at=self.now)
        return Answer(selectors.bootstrap(session=self.session, token=self.token, balance=balance))


class CurrencyView(SwitchView):
    """`POST /api/play/session/currency`."""

    def post(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Show prices in another currency."""
        body = self.read_body()
        currency = body.text("currency", maximum=16)
        body.check()
        sessions.switch_currency(session=self.session, currency=currency, at=self.now)
        return self.bootstrap()


class LocaleView(SwitchView):
    """`POST /api/play/session/locale`."""

    def post(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Speak another language."""
        body = self.read_body()
        locale = body.text("locale", maximum=35)
        body.check()
        sessions.switch_locale(session=self.session, locale=locale, at=self.now)
        return self.bootstrap()


class BalanceView(PlayView):
    """`GET /api/play/wallet/balance`."""

    def get(self, request: Request) -> Answer:  # noqa: ARG002 - DRF's signature
        """Answer what the wallet says."""
        balance = balances.required_balance(session=self.session, at=self.now).as_json()
        return Answer(
            {
                "balanceMinor": balance["balanceMinor"],
                "currency": self.session.currency,
                "balanceFetchedAt": balance["balanceFetchedAt"],
            }
        )
