"""Catalogue 72: the database is last night's, and the world is not."""

import pytest

from tests.faults.evidence import differences
from tests.faults.rig import Answer, Rig, Shop, won_item

pytestmark = pytest.mark.faults


def drawn_with(answer: Answer) -> tuple[str, int]:
    """Return what must never be the same for two rounds."""
    fairness = answer.round["fairness"]
    return fairness["serverSeedHash"], fairness["nonce"]


def lose_a_day(rig: Rig, shop: Shop) -> tuple[list[Answer], int]:
    """Back up, sell, rotate seeds and pay a cashback out, restore; return what was sold, and which item was cashed back."""
    backup = rig.back_up()
    token = shop.log_in()
    lost = [shop.insist(shop.order()) for _ in range(2)]
    shop.play("fairness/rotate", {}, token=token)
    lost += [shop.insist(shop.order()) for _ in range(2)]
    item: int = lost[0].round["wonItems"][0]["inventoryItemId"]
    assert shop.cash_out(item).status == 200
    rig.settle_down()
    rig.restore(backup)
    return lost, item


class TestABackupThatWasRestored:
    def test_is_safe_to_sell_from_after_restore(self, rig: Rig) -> None:
        shop = rig.open_shop()
        kept = won_item(shop)
        known = len(shop.wallet.movements)
        lost, cashed = lose_a_day(rig, shop)
        assert "add --yes" in rig.complaint("after_restore")
        done = rig.manage("after_restore", "--yes", "--json")
        assert done["playersWithNewSeeds"] >= 1
        assert rig.complaint("check_invariants") == rig.complaint("verify_audit") == ""

        sold = [shop.insist(shop.order()) for _ in range(4)]
        assert {drawn_with(answer) for answer in sold}.isdisjoint(drawn_with(answer) for answer in lost)
        won = [answer.round["wonItems"][0]["inventoryItemId"] for answer in sold]
        assert min(won) > cashed + 10**6
        before = shop.wallet.balance("u_1")
        assert [shop.cash_out(item).status for item in [kept, *won]] == [200] * 5
        assert shop.wallet.balance("u_1") == before + 5 * 120

        rig.settle_down()
        only_theirs = list(shop.wallet.movements)[known : known + 5]
        missing = [each for each in differences(rig, shop) if "is None with us" in each]
        assert len(missing) == 5
        assert all(any(f": {key} is" in each for each in missing) for key in only_theirs), "books tell what was lost"

    def test_would_draw_again_what_was_drawn_without_it(self, rig: Rig) -> None:
        """The control: the same seed goes on from the same nonce, and a new item has the id of one that was cashed back."""
        shop = rig.open_shop()
        won_item(shop)
        lost, cashed = lose_a_day(rig, shop)
        again = [shop.insist(shop.order()) for _ in range(2)]
        assert [drawn_with(answer) for answer in again] == [drawn_with(answer) for answer in lost[:2]]
        assert again[0].round["wonItems"][0]["inventoryItemId"] == cashed
        rig.settle_down()
        rig.manage("after_restore", "--yes", "--json")
