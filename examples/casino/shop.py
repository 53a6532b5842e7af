"""Buys boxes for players, so that a click is paid at most once whatever fails on the way. Contract section 5."""

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from platform_api import Platform, PlatformError


class OtherPurchase(Exception):
    """The clientActionId stands for another purchase already."""


@dataclass(frozen=True)
class Purchase:
    client_action_id: str
    player: str
    box_version_id: int
    status: int | None  # None: no answer yet, so its fate is not known
    answer: dict[str, Any]

    @property
    def may_be_repeated(self) -> bool:
        """Return whether the same clientActionId may lead further; it can't be charged twice."""
        return self.status is None or bool(self.answer.get("error", {}).get("retryable"))


def buy(
    db: sqlite3.Connection,
    platform: Platform,
    *,
    client_action_id: str,
    player: str,
    box_version_id: int,
    now: int,
    at: str,
) -> None:
    """Open one box for the player; `find` tells what became of it. Raises OtherPurchase.

    The click is written down before the platform hears of it, and the same click again sends the same request.
    No transaction is open meanwhile: the platform calls our wallet before it answers.
    """
    db.execute(
        "INSERT OR IGNORE INTO purchases (client_action_id, player, box_version_id, at) VALUES (?, ?, ?, ?)",
        (client_action_id, player, box_version_id, at),
    )
    known = find(db, client_action_id)
    if known is None or (known.player, known.box_version_id) != (player, box_version_id):
        raise OtherPurchase
    try:
        reply = platform.purchase(
            {
                "playerExternalId": player,
                "gameKey": "mystery_box",
                "clientActionId": client_action_id,
                "reels": [{"reelIndex": 0, "boxVersionId": box_version_id}],
            },
            now=now,
        )
    except PlatformError:
        return  # the row stays without an answer, and the page offers to try again
    # Of two clicks at once the second may hear ACTION_IN_PROGRESS after the first has heard the prize.
    db.execute(
        "UPDATE purchases SET status = ?, answer = ? WHERE client_action_id = ? AND status IS NOT 200",
        (reply.status, json.dumps(reply.body), client_action_id),
    )


def find(db: sqlite3.Connection, client_action_id: str) -> Purchase | None:
    """Return the purchase as it stands, or None."""
    row = db.execute("SELECT * FROM purchases WHERE client_action_id = ?", (client_action_id,)).fetchone()
    if row is None:
        return None
    return Purchase(
        client_action_id=row["client_action_id"],
        player=row["player"],
        box_version_id=row["box_version_id"],
        status=row["status"],
        answer=json.loads(row["answer"] or "{}"),
    )
