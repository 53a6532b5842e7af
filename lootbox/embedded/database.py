"""What has to hold before Django works with a database: it answers, and an embedded one follows the code by itself."""

import fcntl
from pathlib import Path

import django
import psycopg
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor


def reach_database(home: Path, *, migrate: bool) -> None:
    """Connect to the configured database once, and with `migrate` apply what is pending; two processes never do at once.

    Raises OperationalError when there is no connecting.
    """
    django.setup()
    try:
        # Not through the pool, which would try for ten seconds and log each try.
        psycopg.connect(**connection.get_connection_params()).close()
    except psycopg.OperationalError as error:
        raise OperationalError(str(error)) from error
    if not migrate or not _is_pending():
        return
    with (home / "migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_pending():
            call_command("migrate", verbosity=0, interactive=False)


def _is_pending() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
