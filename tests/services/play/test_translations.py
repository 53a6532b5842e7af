"""The words of the game app: every one of them in every language, and what is compiled from the catalogues up to date."""

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from babel.messages.extract import extract
from django.core.management import call_command

import play

STATIC = Path(play.__file__).parent / "static/play"
TEMPLATES = Path(play.__file__).parents[1] / "templates/play"
LANGUAGES = sorted(path.stem for path in (STATIC / "locale").glob("*.json"))
PLACEHOLDER = re.compile(r"\{\w+\}|%\(\w+\)s")


def spoken() -> set[str]:
    """Return every text in the app's modules and templates, of plurals the singular."""
    texts = set()
    for module in STATIC.rglob("*.js"):
        with module.open("rb") as file:
            for _, text, _, _ in extract("javascript", file, keywords={"t": None, "n": (1, 2)}, options={"encoding": "utf-8"}):
                texts.add(text if isinstance(text, str) else text[0])
    for template in TEMPLATES.glob("*.html"):
        texts |= set(re.findall(r'\{% translate "(.*?)" %\}', template.read_text()))
        blocks = re.findall(r"\{% blocktranslate .*?%\}(.*?)\{% endblocktranslate %\}", template.read_text())
        texts |= {re.sub(r"\{\{ (\w+) \}\}", r"%(\1)s", block) for block in blocks}
    return texts


class TestTranslations:
    """`play/locale`, and what is compiled from it."""

    def test_are_compiled(self) -> None:
        call_command("compile_translations", "--check", stdout=StringIO())

    def test_are_of_two_languages(self) -> None:
        assert LANGUAGES == ["de", "sv"]

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_hold_every_text_and_no_other(self, language: str) -> None:
        catalogue = json.loads((STATIC / f"locale/{language}.json").read_text())

        assert spoken() ^ catalogue.keys() == set()

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_keep_what_is_filled_in(self, language: str) -> None:
        catalogue = json.loads((STATIC / f"locale/{language}.json").read_text())
        for text, translation in catalogue.items():
            for form in [translation] if isinstance(translation, str) else translation:
                assert sorted(PLACEHOLDER.findall(form)) == sorted(PLACEHOLDER.findall(text)), text
