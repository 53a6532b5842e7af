"""`GET /fairness/box-version/{id}/snapshot` (contract section 9)."""

import hashlib
import json

import pytest
from django.test import Client

from catalog.models import BoxVersion
from operators.services import NewOperator
from tests.factories.fairness import harbour
from tests.signed import answer_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def version(acme: NewOperator) -> BoxVersion:
    """Return a published version with a name that wants care."""
    return harbour(acme.operator, names=['Étoile "N° 7" <b>&\u2028 銀河'])


class TestSnapshot:
    """The published prize table, without a key."""

    def test_answers_the_table_and_its_hash(self, version: BoxVersion) -> None:
        response = Client().get(f"/fairness/box-version/{version.pk}/snapshot")

        assert response.status_code == 200
        assert response["Content-Type"] == "application/json"
        answer = answer_of(response, method="GET", address=f"/fairness/box-version/{version.pk}/snapshot").body
        assert answer["boxVersionId"] == version.pk
        assert answer["snapshotHash"] == version.snapshot_hash
        assert answer["snapshot"]["totalWeight"] == 1_100
        assert answer["snapshot"]["prizes"][3] == {
            "index": 3,
            "itemId": None,
            "kind": "cash",
            "name": 'Étoile "N° 7" <b>&\u2028 銀河',
            "valueMinor": 1,
            "weight": 1_000,
        }

    def test_answers_the_very_bytes_that_are_hashed(self, version: BoxVersion) -> None:
        content = Client().get(f"/fairness/box-version/{version.pk}/snapshot").content

        table = content.partition(b'"snapshot":')[2].rpartition(b',"snapshotHash"')[0]
        assert hashlib.sha256(table).hexdigest() == version.snapshot_hash
        assert json.dumps(json.loads(table), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == table

    def test_may_be_kept_for_ever(self, version: BoxVersion) -> None:
        address = f"/fairness/box-version/{version.pk}/snapshot"
        first = Client().get(address)

        again = Client().get(address, headers={"If-None-Match": first["ETag"]})

        assert first["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer_of(again, method="GET", address=address).status == 304
        assert again["ETag"] == first["ETag"]

    @pytest.mark.parametrize("version_id", [0, 2**31, 2**63, 10**4000])
    def test_of_an_unknown_version_is_an_unknown_box(self, version_id: int) -> None:
        response = Client().get(f"/fairness/box-version/{version_id}/snapshot")

        answer = answer_of(response, method="GET", address=f"/fairness/box-version/{version_id}/snapshot")
        assert (answer.status, answer.code) == (404, "UNKNOWN_BOX")
        assert "Cache-Control" not in response

    def test_is_only_for_reading(self, version: BoxVersion) -> None:
        response = Client().post(f"/fairness/box-version/{version.pk}/snapshot", b"{}", content_type="application/json")

        assert response.status_code == 405
        assert response.json()["error"]["code"] == "METHOD_NOT_ALLOWED"
