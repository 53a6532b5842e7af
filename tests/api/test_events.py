"""`GET /api/s2s/events` (contract section 7): the feed, in order, as it was sent."""

import json

import pytest
from django.utils import timezone

from lootbox.core.ids import Prefix, new_id, public_id
from operators.models import Operator
from operators.services import NewOperator
from tests.factories.webhooks import EventFactory, event_body
from tests.signed import Answer, SignedClient
from webhooks.models import Event

PATH = "/api/s2s/events"


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200
    return [item["id"] for item in answer.body["items"]]


def make_events(operator: Operator, count: int) -> list[str]:
    return [public_id(Prefix.EVENT, EventFactory.create(operator=operator).pk) for _ in range(count)]


class TestTheFeed:
    def test_of_an_operator_to_whom_nothing_has_happened_is_empty(self, s2s: SignedClient) -> None:
        assert s2s.get(PATH).body == {"items": [], "cursor": {"next": None}}

    def test_gives_bodies_as_they_were_sent_oldest_first(self, acme: NewOperator, s2s: SignedClient) -> None:
        bodies = [event_body(new_id(), occurred_at=timezone.now(), slug=f"kästchen-{number}") for number in range(3)]
        for body in bodies:
            EventFactory.create(operator=acme.operator, body=json.dumps(body, ensure_ascii=False).encode())
        answer = s2s.get(PATH)
        assert answer.body == {"items": bodies, "cursor": {"next": None}}
        assert answer.headers["Content-Type"] == "application/json"

    def test_pages_to_its_end_and_goes_on_when_more_arrives(self, acme: NewOperator, s2s: SignedClient) -> None:
        made = make_events(acme.operator, 5)
        first = s2s.get(f"{PATH}?limit=2")
        assert (ids(first), first.body["cursor"]["next"]) == (made[:2], made[1])
        made += make_events(acme.operator, 1)
        second = s2s.get(f"{PATH}?limit=2&after={made[1]}")
        assert (ids(second), second.body["cursor"]["next"]) == (made[2:4], made[3])
        last = s2s.get(f"{PATH}?limit=2&after={made[3]}")
        assert (ids(last), last.body["cursor"]["next"]) == (made[4:6], None)
        assert ids(s2s.get(f"{PATH}?after={made[5]}")) == []
        made += make_events(acme.operator, 1)
        assert ids(s2s.get(f"{PATH}?after={made[5]}")) == made[6:]

    def test_has_50_a_page_and_200_at_most(self, acme: NewOperator, s2s: SignedClient) -> None:
        Event.objects.bulk_create(EventFactory.build_batch(201, operator=acme.operator))
        assert len(ids(s2s.get(PATH))) == 50
        assert len(ids(s2s.get(f"{PATH}?limit=201"))) == 200

    @pytest.mark.parametrize("limit", ["0", "-1", "x", "1.0", ""])
    def test_refuses_a_limit_that_is_no_number_from_1_up(self, s2s: SignedClient, limit: str) -> None:
        answer = s2s.get(f"{PATH}?limit={limit}")
        assert (answer.status, answer.code) == (422, "VALIDATION_FAILED")
        assert list(answer.body["error"]["fields"]) == ["limit"]

    @pytest.mark.parametrize("after", ["evt_1", "", "x" * 65, "%00", "evt_01M821T5D7BSMMRRA51DD7YNF9"])
    def test_refuses_an_after_that_it_never_gave(self, s2s: SignedClient, after: str) -> None:
        answer = s2s.get(f"{PATH}?after={after}")
        assert (answer.status, answer.code) == (422, "VALIDATION_FAILED")
        assert list(answer.body["error"]["fields"]) == ["after"]

    def test_knows_nothing_of_another_operators_events(
        self, acme: NewOperator, s2s: SignedClient, stranger_s2s: SignedClient
    ) -> None:
        (event_id,) = make_events(acme.operator, 1)
        assert ids(s2s.get(PATH)) == [event_id]
        assert ids(stranger_s2s.get(PATH)) == []
        answer = stranger_s2s.get(f"{PATH}?after={event_id}")
        assert (answer.status, answer.code) == (422, "VALIDATION_FAILED")

    def test_is_only_read(self, s2s: SignedClient) -> None:
        assert s2s.post(PATH, {}).code == "METHOD_NOT_ALLOWED"
