"""Who sees the dashboard, and what of it."""

import datetime as dt

import pytest
from django.utils import timezone

from finance.models import DeliveryTally, PlayTally
from operators import staff
from operators.services import NewOperator
from tests.admin.cast import browser, page, person
from tests.conftest import HARBOUR, publish_boxes


@pytest.fixture
def played(acme: NewOperator, stranger: NewOperator) -> None:
    """Let Acme's players stake 11 euro and a stranger's 2,222 euro an hour ago."""
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - dt.timedelta(hours=1)
    for made, amount in ((acme, 1_100), (stranger, 222_200)):
        version = publish_boxes(made, HARBOUR)["harbour"]
        PlayTally.objects.create(
            operator=made.operator, box_version_id=version, currency="EUR", base_currency="EUR", funding="player", hour=hour,
            rounds=1, boxes=1, bet_minor=amount, base_bet_minor=amount, won_minor=0, base_won_minor=0,
        )  # fmt: skip
        DeliveryTally.objects.create(operator=made.operator, hour=hour, delivered=7, late=2, failed=amount)


class TestTheDashboard:
    @pytest.mark.parametrize(
        ("role", "status"),
        [
            (staff.PLATFORM_ADMIN, 200), (staff.OPERATOR_ADMIN, 200), (staff.FINANCE, 200), (staff.AUDITOR, 200),
            (staff.SUPPORT, 403), (staff.CATALOGUE_MANAGER, 403), (None, 403),
        ],
    )  # fmt: skip
    def test_is_for_who_may_see_turnover(self, acme: NewOperator, role: str | None, status: int) -> None:
        who = browser(person("pat", role=role, at=acme.operator))
        assert who.get(page("dashboard")).status_code == status
        assert (page("dashboard") in who.get(page("index")).content.decode()) is (status == 200)

    @pytest.mark.parametrize(
        "asked", [{}, {"operator": "stranger"}, {"operator": "stranger", "currency": "SEK", "period": "x"}]
    )
    def test_shows_nothing_of_another_operators(self, played: None, acme: NewOperator, asked: dict[str, str]) -> None:
        fay = browser(person("fay", role=staff.FINANCE, at=acme.operator))
        shown = fay.get(page("dashboard"), asked).content.decode()
        assert "11.00 EUR" in shown
        assert "2,222" not in shown
        assert "222,200" not in shown
        assert "Stranger" not in shown

    def test_shows_all_operators_or_one_to_the_platforms_people(self, played: None, acme: NewOperator) -> None:
        root = browser(person("root", role=staff.PLATFORM_ADMIN, at=acme.operator))
        assert "2,233.00 EUR" in root.get(page("dashboard"), {"period": "24h"}).content.decode()
        one = root.get(page("dashboard"), {"period": "30d", "operator": "acme", "currency": "EUR"}).content.decode()
        assert "11.00 EUR" in one
        assert "2,222" not in one
