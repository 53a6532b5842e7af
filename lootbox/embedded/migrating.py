"""An embedded database is nobody's to look after, so it follows the code by itself."""

import fcntl
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


def migrate_if_pending(home: Path) -> None:
    """Migrate the embedded database of `home` when it lags behind the code; two processes never migrate at once."""
    if not _pending():
        return
    with (home / "migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _pending():
            call_command("migrate", verbosity=0, interactive=False)


def _pending() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
