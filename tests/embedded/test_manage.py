"""`manage.py` brings a command its servers, or says in one line what is missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lootbox.embedded import EmbeddedPostgres

pytestmark = pytest.mark.faults


def manage(home: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=Path(__file__).parents[2],
        env=inherited | {"LOOTBOX_HOME": str(home)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class TestManage:
    def test_serves_two_commands_at_once_on_a_home_that_never_was(self, tmp_path: Path) -> None:
        commands = [manage(tmp_path, "create_operator", slug, "--json") for slug in ("one", "two")]
        results = [command.communicate() for command in commands]
        assert [errors for _, errors in results] == ["", ""]
        assert [json.loads(output)["operator"] for output, _ in results] == ["one", "two"]
        assert not EmbeddedPostgres(tmp_path).is_running()

    def test_starts_nothing_for_a_command_that_needs_nothing(self, tmp_path: Path) -> None:
        command = manage(tmp_path, "check")
        command.communicate()
        assert command.returncode == 0
        assert not list(tmp_path.iterdir())

    def test_says_in_one_line_that_the_database_is_out_of_reach(self, tmp_path: Path) -> None:
        command = manage(tmp_path, "create_operator", "one", DATABASE_URL="postgres://nobody@127.0.0.1:1/none")
        output, errors = command.communicate()
        assert (command.returncode, output, errors.count("\n")) == (1, "", 1)
        assert "DATABASE_URL" in errors
