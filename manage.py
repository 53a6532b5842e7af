#!/usr/bin/env python
"""Django's command line. Without DATABASE_URL or REDIS_URL a command has the embedded servers for as long as it runs."""

import os
import sys
from contextlib import ExitStack

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

from lootbox.embedded import EmbeddedServerError, running
from lootbox.embedded.database import reach_database

# Commands that need no server; the demo starts them itself, and says so.
SERVERLESS = {"check", "collectstatic", "compilemessages", "demo", "help", "makemessages", "spectacular", "version"}
# Commands that are about migrations, and so meet the database as it is.
MIGRATING = {"makemigrations", "migrate", "optimizemigration", "showmigrations", "sqlmigrate", "squashmigrations"}


def main(arguments: list[str]) -> None:
    """Run a command. What it can't reach ends it with one line on stderr."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lootbox.settings")
    command = next((argument for argument in arguments[1:2] if not argument.startswith("-")), "help")
    if command == "demo":
        os.environ.setdefault("LOOTBOX_ALLOW_PRIVATE_URLS", "true")  # its casino is on this machine
    try:
        with ExitStack() as servers:
            if command not in SERVERLESS and not {"-h", "--help"} & set(arguments):
                servers.enter_context(running(settings.LOOTBOX_HOME))
                migrate = command not in MIGRATING and "DATABASE_URL" not in os.environ
                reach_database(settings.LOOTBOX_HOME, migrate=migrate)
            execute_from_command_line(arguments)
    except (EmbeddedServerError, ImproperlyConfigured) as error:
        sys.exit(one_line(error))
    except OperationalError as error:
        sys.exit(f"The database can't be used: {one_line(error)} Start it, or correct or unset DATABASE_URL.")
    except broker_errors() as error:
        sys.exit(f"The broker can't be used: {one_line(error)} Start it, or correct or unset REDIS_URL.")


def broker_errors() -> tuple[type[Exception], ...]:
    """Return what a broker out of reach raises; evaluated only when something was raised, as the imports take long."""
    import kombu.exceptions  # noqa: PLC0415
    import redis  # noqa: PLC0415

    return redis.ConnectionError, kombu.exceptions.OperationalError


def one_line(error: Exception) -> str:
    """Return the message without line breaks, ended like a sentence."""
    return f"{' '.join(str(error).split()).rstrip('.?')}."


if __name__ == "__main__":
    main(sys.argv)
