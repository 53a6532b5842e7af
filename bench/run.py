"""`make bench`: measure against the goals and print the table. Servers, ports and data are this run's own."""

import argparse
import functools
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress

from bench.programs import ROOT, wallet
from bench.table import Row, show
from lootbox.embedded import running
from lootbox.embedded.database import reach_database

GOALS: Final = ("P1", "P2", "P3", "C1", "D1", "D2", "W1", "E1", "H1")
ROUNDS: Final = 9
QUICK_ROUNDS: Final = 3
WIDTH: Final = 150


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds in place of {ROUNDS}: for a first look")
    parser.add_argument(
        "--only", default=",".join(GOALS), help=f"comma list of {', '.join(GOALS)}; P1 measures P4 and P5 too (default: all)"
    )
    options = parser.parse_args()
    only = options.only.upper().split(",")
    if unknown := set(only) - {*GOALS}:
        parser.error(f"there is no goal {', '.join(sorted(unknown))}; the goals are {', '.join(GOALS)}.")
    # Beside the demo's data and not in /tmp, which may be memory: what is committed must reach a disk.
    parent = ROOT / ".lootbox"
    parent.mkdir(mode=0o700, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    for variable in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(variable, None)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "lootbox.settings",
        "LOOTBOX_HOME": str(home),
        "LOOTBOX_ALLOW_PRIVATE_URLS": "true",
    }
    try:
        rows = _measure(home, only, rounds=QUICK_ROUNDS if options.quick else ROUNDS)
    finally:
        shutil.rmtree(home)
    show(rows, Console() if sys.stdout.isatty() else Console(width=WIDTH))


def _measure(home: Path, only: list[str], *, rounds: int) -> list[Row]:
    console = Console(stderr=True)
    with Progress(console=console) as progress, running(home), wallet(home / "wallet.log") as wallet_port:
        start = progress.add_task("making a database", total=1)
        reach_database(home, migrate=True)
        from bench.measures import measures  # noqa: PLC0415 - models can be imported once Django is set up

        chosen = measures(logs=home, wallet_port=wallet_port, rounds=rounds)
        progress.advance(start)
        rows: list[Row] = []
        for goal in GOALS:
            if goal in only:
                task = progress.add_task(f"measuring {goal}", total=None)
                rows += chosen[goal](functools.partial(progress.advance, task))
                progress.update(task, total=1, completed=1)
        return rows


if __name__ == "__main__":
    main()
