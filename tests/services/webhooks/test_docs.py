"""The code in docs/webhooks.md verifies what is really sent."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from operators import services as operator_services
from tests.factories.webhooks import make_deliveries
from tests.faulty_server import Received
from tests.services.webhooks.cast import Stage

DOCUMENT = Path(__file__).parents[3] / "docs" / "webhooks.md"


def envelope(given: dict[str, Any], secret: str, request: Received, body: bytes) -> bool:
    holds: bool = given["is_ours"](secret, CaseInsensitiveDict(request.headers), "POST", "/hooks", body)
    return holds


def standard(given: dict[str, Any], secret: str, request: Received, body: bytes) -> bool:
    holds: bool = given["is_standard"](secret, request.headers, body)
    return holds


@pytest.mark.parametrize("verify", [envelope, standard])
class TestTheCodeForIntegrators:
    def test_verifies_what_is_sent_and_nothing_else(self, stage: Stage, verify: Callable[..., bool]) -> None:
        given: dict[str, Any] = {}
        for block in re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL):
            exec(block, given)  # noqa: S102 - our own document
        make_deliveries(stage.operator, 1)
        stage.run()
        new = operator_services.rotate_outbound_secret(operator=stage.operator, at=stage.clock.now)
        make_deliveries(stage.operator, 1)
        stage.run()
        before, during = stage.receiver.received
        assert verify(given, stage.secret, before, before.body)
        assert not verify(given, new, before, before.body)
        assert verify(given, stage.secret, during, during.body)
        assert verify(given, new, during, during.body)
        assert not verify(given, new, during, during.body + b" ")
