"""`manage.py compile_translations`: the catalogues that programs read, from those that people write."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.core.management.base import BaseCommand, CommandError, CommandParser

_APP: Final = Path(__file__).parents[2]


class Command(BaseCommand):
    """Compile each `play/locale/*/LC_MESSAGES/django.po` to a `.mo` for templates and to JSON for the game app.

    Both are kept in the repository, so that set-up needs neither gettext's programs nor this step.
    """

    help = "Compile the translations in play/locale for templates and for the game app, after they have been edited."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--check`."""
        parser.add_argument("--check", action="store_true", help="Write nothing; fail if anything is old.")

    def handle(self, *, check: bool, **_: Any) -> None:
        """Write what is old. Raises CommandError with `--check` when something is."""
        old = [file for file, content in compiled() if not file.exists() or file.read_bytes() != content]
        if check and old:
            raise CommandError(f"Run manage.py compile_translations: {', '.join(file.name for file in old)} would change.")
        for file, content in compiled():
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        self.stdout.write(f"{len(old)} of the compiled catalogues were old.")


def compiled() -> list[tuple[Path, bytes]]:
    """Return each compiled file with what belongs in it."""
    files = []
    for source in sorted(_APP.glob("locale/*/LC_MESSAGES/django.po")):
        language = source.parts[-3]
        catalogue = read_po(BytesIO(source.read_bytes()), locale=language)
        binary = BytesIO()
        write_mo(binary, catalogue)
        files.append((source.with_suffix(".mo"), binary.getvalue()))
        files.append((_APP / f"static/play/locale/{language}.json", _as_json(catalogue)))
    return files


def _as_json(catalogue: Catalog) -> bytes:
    texts = {
        message.id if isinstance(message.id, str) else message.id[0]: message.string
        for message in catalogue
        if message.id and message.string
    }
    return (json.dumps(texts, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
