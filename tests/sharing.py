"""How the test processes share the tests: file by file, and the fault tests, which have one product running, all together.

`--dist loadgroup` would do it by marks, but has no effect with pytest 9.2 and pytest-xdist 3.8: it deals out single tests.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = "tests/faults/"
LONG = ("faults", "browser")


def dealt_with(nodeid: str) -> str:
    """Return what a test is dealt out with: its file, so that what the tests of a file share is made once."""
    return TOGETHER if nodeid.startswith(TOGETHER) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return who deals out the tests: in their order, not the files of many tests first, which are not the longest."""
    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = dealt_with
    return scheduler


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put whole products and browsers first, so that none is begun at the end; everything else stays as shuffled."""
    items.sort(key=lambda item: [item.get_closest_marker(name) is None for name in LONG])
