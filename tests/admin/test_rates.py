"""Exchange rates that people type: added only, by the platform only, with a word in the audit log."""

from catalog.models import ExchangeRate
from operators import staff
from operators.models import AuditEntry
from operators.services import NewOperator
from tests.admin.cast import browser, page, person

ADD = "catalog_exchangerate_add"
TYPED = {"base": "EUR", "quote": "SEK", "rate": "11.2345", "reason": "The bank's feed is down."}


class TestATypedRate:
    def test_holds_from_now_on_and_says_who_typed_it(self, transactional_db: None) -> None:
        answer = browser(person("petra", role=staff.PLATFORM_ADMIN)).post(page(ADD), TYPED)
        assert answer.status_code == 302, answer.content.decode()[:500]
        rate = ExchangeRate.objects.get()
        assert (rate.base, rate.quote, str(rate.rate.normalize()), rate.source) == ("EUR", "SEK", "11.2345", "typed by petra")
        entry = AuditEntry.objects.get(action="set a rate")
        assert (entry.actor, entry.reason) == ("petra", "The bank's feed is down.")

    def test_of_no_currency_or_without_a_reason_is_refused(self, transactional_db: None) -> None:
        petra = browser(person("petra", role=staff.PLATFORM_ADMIN))
        for change in ({"quote": "XXQ"}, {"quote": "EUR"}, {"rate": "0"}, {"rate": "-1"}, {"reason": ""}):
            assert petra.post(page(ADD), TYPED | change).status_code == 200
        assert not ExchangeRate.objects.exists()

    def test_is_not_an_operators_to_type(self, acme: NewOperator) -> None:
        olga = browser(person("olga", role=staff.OPERATOR_ADMIN, at=acme.operator))
        assert olga.post(page(ADD), TYPED).status_code == 403
        assert not ExchangeRate.objects.exists()
