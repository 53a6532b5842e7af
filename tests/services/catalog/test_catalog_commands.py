"""`import_boxes`, `set_rate` and `load_rates` as people and programs run them."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog.models import Box, BoxVersion, ExchangeRate, Item
from tests.factories.catalog import HARBOUR
from tests.factories.operators import OperatorFactory

SAMPLE = Path(__file__).with_name("eurofxref-daily.xml")

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    """Return what a command prints."""
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def mistake(*arguments: str) -> str:
    """Return what a command fails with, which is one line."""
    with pytest.raises(CommandError) as error:
        run(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the interface's file on disk; Acme is there to take it."""
    OperatorFactory.create(slug="acme")
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(HARBOUR))
    return path


class TestImportBoxes:
    def test_prints_ids_and_versions_for_programs(self, file: Path) -> None:
        answer: dict[str, Any] = json.loads(run("import_boxes", "acme", str(file), "--json"))
        version = BoxVersion.objects.get()
        assert answer == {
            "items": [{"sku": "compass", "itemId": Item.objects.get().pk}],
            "boxes": [
                {"slug": "harbour", "boxId": version.box_id, "boxVersionId": version.pk, "versionNumber": 1},
            ],
        }
        assert json.loads(run("import_boxes", "acme", str(file), "--json")) == answer

    def test_prints_the_same_for_people(self, file: Path) -> None:
        assert run("import_boxes", "acme", str(file)).startswith('items: [{"sku": "compass", "itemId": ')

    def test_names_the_first_mistake_and_counts_the_others(self, file: Path) -> None:
        file.write_text(file.read_text().replace('"weight": 1,', '"weight": 0,').replace("480", "-1"))
        assert mistake("import_boxes", "acme", str(file)) == (
            "items[0].valueMinor: Send an integer from 0 to 9007199254740991. (1 more) Nothing was imported."
        )
        assert not Box.objects.exists()

    def test_says_what_else_is_wrong(self, file: Path, tmp_path: Path) -> None:
        assert "create_operator nobody" in mistake("import_boxes", "nobody", str(file))
        assert "can't be read: No such file" in mistake("import_boxes", "acme", str(tmp_path / "none.json"))
        for text in ("{", '{"boxes": NaN}', '{"boxes": [], "boxes": []}', "[" * 20):
            file.write_text(text)
            assert f"{file} is not a catalogue file" in mistake("import_boxes", "acme", str(file))


class TestSetRate:
    def test_holds_from_now_on(self) -> None:
        assert json.loads(run("set_rate", "EUR", "SEK", "11.2345", "--json")) == {
            "base": "EUR",
            "quote": "SEK",
            "rate": "11.2345",
        }
        assert run("set_rate", "EUR", "SEK", "11.3") == "base: EUR\nquote: SEK\nrate: 11.3\n"
        assert [str(rate) for rate in ExchangeRate.objects.order_by("at")] == ["1 EUR = 11.2345 SEK", "1 EUR = 11.3 SEK"]

    def test_says_what_is_wrong(self) -> None:
        assert mistake("set_rate", "EUR", "SEK", "much").startswith("much is not a rate.")
        assert mistake("set_rate", "EUR", "DOLLAR", "1").startswith("DOLLAR is not an ISO 4217 currency.")
        assert not ExchangeRate.objects.exists()


class TestLoadRates:
    def test_reads_a_file(self) -> None:
        assert json.loads(run("load_rates", "--file", str(SAMPLE), "--json")) == {
            "loaded": 4,
            "rates": ["1 EUR = 0.84 GBP", "1 EUR = 161.35 JPY", "1 EUR = 11.2345 SEK", "1 EUR = 1.085 USD"],
        }
        assert json.loads(run("load_rates", "--file", str(SAMPLE), "--json")) == {"loaded": 0, "rates": []}

    def test_says_what_is_wrong(self, tmp_path: Path) -> None:
        wrong = tmp_path / "rates.xml"
        assert "can't be read: No such file" in mistake("load_rates", "--file", str(wrong))
        wrong.write_text("<html/>")
        assert "not the European Central Bank's" in mistake("load_rates", "--file", str(wrong))
