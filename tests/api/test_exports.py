"""`POST /api/s2s/exports`: a signed link, and the file behind it (docs/integrating.md, section 5)."""

import datetime as dt
import hashlib
import json
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from operators.models import AuditEntry, Operator
from operators.services import NewOperator
from tests import openapi
from tests.api.test_ledger import read_on
from tests.api.test_purchase import buy
from tests.factories.wallet import MovementFactory
from tests.signed import SignedClient
from wallet.numbering import number_movements

PATH = "/api/s2s/exports"
TODAY = "2026-06-30"


def fetch(url: str) -> Any:
    """Return what a plain download of a link answers."""
    address = url.removeprefix("http://127.0.0.1")
    answer = Client().get(address)
    body = b"" if answer.streaming else answer.content
    openapi.check_answer(method="GET", address=address, status=answer.status_code, headers=dict(answer.headers), body=body)
    return answer


def link(s2s: SignedClient, **body: Any) -> str:
    """Return a link to a file of these movements."""
    answer = s2s.post(PATH, {"report": "movements", "format": "jsonl"} | body)
    assert answer.status == 201
    url: str = answer.body["export"]["url"]
    return url


class TestALink:
    def test_is_answered_field_for_field(self, s2s: SignedClient) -> None:
        answer = s2s.post(PATH, {"report": "revenue", "from": TODAY, "to": TODAY, "by": "day,box", "timeZone": "operator"})
        assert answer.status == 201
        export = answer.body["export"]
        assert export == {
            "report": "revenue",
            "format": "csv",
            "filename": f"revenue-acme-{TODAY}-{TODAY}.csv",
            "url": export["url"],
            "expiresAt": export["expiresAt"],
        }
        assert export["url"].startswith("http://127.0.0.1/exports/")

    def test_gives_the_file_without_a_key_and_notes_its_digest(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        buy(s2s, boxes["sure-cash"])
        feed = read_on(s2s)
        answer = fetch(link(s2s))
        content = b"".join(answer.streaming_content)
        assert answer.status_code == 200
        assert answer["Content-Disposition"] == 'attachment; filename="movements-acme.jsonl"'
        assert answer["Content-Type"] == "application/x-ndjson"
        assert [json.loads(line) for line in content.splitlines()] == [{"operator": "acme"} | row for row in feed]
        entry = AuditEntry.objects.get(action="export.made")
        assert entry.after["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry.actor == f"link of {s2s.key_id}"

    def test_holds_for_a_quarter_of_an_hour(self, s2s: SignedClient) -> None:
        url = link(s2s)
        with time_machine.travel(timezone.now() + dt.timedelta(seconds=901)):
            answer = fetch(url)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
        assert not AuditEntry.objects.filter(action__startswith="export.").exists()

    def test_is_none_when_it_was_changed_or_the_operator_is_suspended(self, acme: NewOperator, s2s: SignedClient) -> None:
        url = link(s2s)
        for changed in (url[:-1] + ("A" if url[-1] != "A" else "B"), url.rpartition("/")[0] + "/nonsense"):
            assert fetch(changed).status_code == 404
        Operator.objects.filter(pk=acme.operator.pk).update(suspended=True)
        assert fetch(url).status_code == 404
        assert not AuditEntry.objects.filter(action__startswith="export.").exists()

    def test_gives_no_workbook_that_would_be_too_large(self, acme: NewOperator, s2s: SignedClient, settings: Settings) -> None:
        settings.LOOTBOX_EXPORTS_AT_ONCE_ROWS = 0
        MovementFactory.create(operator=acme.operator)
        number_movements()
        answer = fetch(link(s2s, format="xlsx"))
        assert answer.status_code == 422
        assert list(answer.json()["error"]["fields"]) == ["format"]

    def test_is_to_the_callers_own_data(
        self, acme: NewOperator, stranger: NewOperator, s2s: SignedClient, stranger_s2s: SignedClient
    ) -> None:
        MovementFactory.create(operator=acme.operator)
        number_movements()
        assert b"".join(fetch(link(stranger_s2s)).streaming_content) == b""
        assert b"".join(fetch(link(s2s)).streaming_content).count(b"\n") == 1

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"report": "everything"}, "report"),
            ({}, "report"),
            ({"report": "movements", "format": "pdf"}, "format"),
            ({"report": "revenue"}, "from"),
            ({"report": "movements", "from": TODAY}, "to"),
            ({"report": "movements", "from": TODAY, "to": "2026-06-29"}, "to"),
            ({"report": "movements", "from": "2026-6-30", "to": TODAY}, "from"),
            ({"report": "movements", "from": "2026-02-30", "to": TODAY}, "from"),
            ({"report": "movements", "from": 20260630, "to": TODAY}, "from"),
            ({"report": "revenue", "from": TODAY, "to": TODAY, "by": "moon"}, "by"),
            ({"report": "movements", "timeZone": "Mars"}, "timeZone"),
            ({"report": "movements", "currency": "E"}, "currency"),
        ],
    )
    def test_is_not_made_of_what_makes_no_sense(self, s2s: SignedClient, body: dict[str, Any], field: str) -> None:
        answer = s2s.post(PATH, body)
        assert (answer.status, answer.code) == (422, "VALIDATION_FAILED")
        assert field in answer.body["error"]["fields"]

    def test_takes_a_signature(self, transactional_db: None) -> None:
        assert Client().post(PATH, {}, content_type="application/json").status_code == 401
