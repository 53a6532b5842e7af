"""`python -m tests.faults.console`: one process for all management commands, as each of its own would start for seconds.

A line of JSON in is a list of commands with their arguments. The line out has `{"printed": …}` for each, or `{"refused": …}`
with what was `said` before.
"""

import io
import json
import sys

import django
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections
from django.db.backends.postgresql.base import DatabaseWrapper

from webhooks import nudge


def main() -> None:
    """Answer until the end of input."""
    django.setup()
    for line in sys.stdin:
        answers = [_run(command) for command in json.loads(line)]
        # The next commands may find another PostgreSQL, and the pool would lend them connections that are dead.
        wrapper = connections["default"]
        assert isinstance(wrapper, DatabaseWrapper)
        wrapper.close()
        wrapper.close_pool()
        print(json.dumps(answers), flush=True)


def _run(command: list[str]) -> dict[str, str]:
    printed = io.StringIO()
    try:
        if command == ["dispatch"]:
            _dispatch()
        else:
            call_command(*command, stdout=printed)
    except (CommandError, DatabaseError) as error:
        return {"refused": str(error), "said": printed.getvalue()}
    return {"printed": printed.getvalue()}


def _dispatch() -> None:
    """Do what a Celery worker does when the schedule wakes it."""
    from celery import current_app  # noqa: PLC0415 - only one test needs the task queue

    current_app.loader.import_default_modules()
    current_app.tasks[nudge.DISPATCH]()


if __name__ == "__main__":
    main()
