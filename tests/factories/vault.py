"""Won items as players come by them: by opening boxes, so that all that must hold of rounds holds of theirs too."""

from uuid import uuid4

from tests.signed import SignedClient


def won_items(s2s: SignedClient, box_version_id: int, count: int = 1, *, player: str = "u_1") -> list[int]:
    """Return the inventory ids of what a player wins at the operator's expense from so many boxes of sure items, at most 10."""
    opened = s2s.post(
        "/api/s2s/purchase",
        {
            "playerExternalId": player,
            "gameKey": "mystery_box",
            "clientActionId": str(uuid4()),
            "funding": "operator",
            "reels": [{"reelIndex": index, "boxVersionId": box_version_id} for index in range(count)],
        },
    )
    assert opened.status == 200, opened.body
    return [won["inventoryItemId"] for won in opened.body["round"]["wonItems"]]
