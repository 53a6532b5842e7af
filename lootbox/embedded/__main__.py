"""`python -m lootbox.embedded exec -- COMMAND…`: run a command with the embedded servers up, then stop them."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from lootbox.embedded import EmbeddedServerError, running
from lootbox.embedded.processes import die_with_parent


def main() -> int:
    """Return the command's exit status."""
    parser = argparse.ArgumentParser(prog="python -m lootbox.embedded", description=__doc__)
    action = parser.add_subparsers(required=True).add_parser("exec", help="run a command with the embedded servers up")
    home = action.add_mutually_exclusive_group()
    home.add_argument(
        "--home", type=Path, default=Path(os.environ.get("LOOTBOX_HOME", ".lootbox")), help="default: LOOTBOX_HOME"
    )
    home.add_argument("--temporary", action="store_true", help="use a home that is removed afterwards")
    action.add_argument("--fast", action="store_true", help="give up durability; wants --temporary")
    action.add_argument("command", nargs="+")
    options = parser.parse_args()
    if options.fast and not options.temporary:
        action.error("--fast gives up durability, so it wants --temporary.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if options.temporary:
        options.home = Path(tempfile.mkdtemp(prefix="lootbox-"))
    try:
        return _run(options.command, home=options.home.resolve(), fast=options.fast)
    except EmbeddedServerError as error:
        sys.exit(str(error))
    finally:
        if options.temporary:
            shutil.rmtree(options.home)


def _default_home() -> Path:
    return Path(os.environ.get("LOOTBOX_HOME", Path(__file__).parents[2] / ".lootbox"))


def _run(command: list[str], *, home: Path, fast: bool) -> int:
    with running(home, fast=fast):
        child = subprocess.Popen(command, env=os.environ | {"LOOTBOX_HOME": str(home)}, preexec_fn=die_with_parent())  # noqa: S603, PLW1509
        # Ctrl-C in a terminal reaches the command by itself, and this process waits for what it makes of it.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        status = child.wait()
        return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
