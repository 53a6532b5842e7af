from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from catalog.importing import import_boxes
from lootbox.core import strict_json
from lootbox.core.commands import PlainCommand
from lootbox.core.errors import ApiError
from operators.configuration import InvalidSetting
from operators.selectors import operator_by_slug


class Command(PlainCommand):
    """Import a catalogue file."""

    help = (
        "Make and change items, attributes and boxes as FILE says, and publish what changed. Again with the same file: nothing."
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Add whose catalogue, and the file."""
        parser.add_argument("slug", metavar="SLUG", help="The operator.")
        parser.add_argument("file", metavar="FILE", type=Path, help="A JSON file with attributes, items and boxes.")

    def act(self, **options: Any) -> dict[str, Any]:
        """Return the file's items and boxes with their ids and versions."""
        file: Path = options["file"]
        try:
            operator = operator_by_slug(slug=options["slug"])
            result = import_boxes(operator=operator, document=strict_json.loads(file.read_bytes()), at=timezone.now())
        except InvalidSetting as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{file} can't be read: {error.strerror}.") from error
        except strict_json.MalformedJSON as error:
            raise CommandError(f"{file} is not a catalogue file: {error}.") from error
        except ApiError as error:
            raise CommandError(_first_of(error)) from error
        return {
            "items": [{"sku": item.sku, "itemId": item.item_id} for item in result.items],
            "boxes": [
                {
                    "slug": box.slug,
                    "boxId": box.box_id,
                    "boxVersionId": box.box_version_id,
                    "versionNumber": box.version_number,
                }
                for box in result.boxes
            ],
        }


def _first_of(error: ApiError) -> str:
    problems = [f"{path}: {problem}" for path, problem in (error.fields or {}).items()]
    more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more} Nothing was imported."
