"""Rounds in a session, contract sections 5, 6 and 8."""

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from catalog.models import Box
from catalog.rates import set_rate
from operators.services import NewOperator, change_settings
from play.models import FundingDecision
from purchases.models import Action, Round
from tests.casino_wallet import Casino
from tests.conftest import HARBOUR, SURE_ITEM, publish_boxes
from tests.faulty_server import answer as answers
from tests.player import PlayClient, enter
from tests.signed import Answer, SignedClient


def order(*versions: int, **changes: Any) -> dict[str, Any]:
    """Return a purchase of these boxes under a new action id."""
    reels = [{"reelIndex": index, "boxVersionId": version} for index, version in enumerate(versions)]
    return {"clientActionId": str(uuid4()), "reels": reels} | changes


def buy(player: PlayClient, *versions: int, **changes: Any) -> Answer:
    """Open these boxes."""
    return player.post("rounds/open", order(*versions, **changes))


def box_id(acme: NewOperator, slug: str) -> int:
    """Return the id of one of Acme's boxes."""
    return Box.objects.get(operator=acme.operator, slug=slug).pk


@pytest.fixture
def player(s2s: SignedClient, boxes: dict[str, int]) -> PlayClient:
    """Return a player who pays."""
    return enter(s2s, balanceMinor=1_000_000)


@pytest.fixture
def guest_of_the_house(s2s: SignedClient, acme: NewOperator, boxes: dict[str, int]) -> PlayClient:
    """Return a player with two free opens of the Sure Item."""
    target = {"boxId": box_id(acme, "sure-item")}
    return enter(s2s, target=target, balanceMinor=1_000_000, funding="operator", fundingRounds=2)


def free_opens(player: PlayClient) -> Any:
    """Return how many free opens the bootstrap shows."""
    return player.post("session/locale", {"locale": "en"}).body["game"]["target"]["freeOpens"]


class TestOpening:
    def test_answers_as_the_signed_surface_does(
        self, player: PlayClient, s2s: SignedClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        bought = buy(player, boxes["sure-item"])
        assert bought.status == 200
        shown = bought.body["round"]
        assert (shown["status"], shown["betMinor"], shown["funding"]) == ("settled", 500, "player")
        assert bought.body["balanceAfterMinor"] == casino.wallet.balance("u_1") == 1_000_000 - 500
        again = s2s.get(f"/api/s2s/rounds/{shown['publicId']}").body["round"]
        assert {name: again[name] for name in shown} == shown

    def test_replays_a_retry(self, player: PlayClient, boxes: dict[str, int], casino: Casino) -> None:
        request = order(boxes["sure-item"])
        first, again = (player.post("rounds/open", request) for _ in range(2))
        assert again.body == first.body
        assert again.headers["Idempotent-Replayed"] == "true"
        assert len(casino.calls()) == 1

    def test_ignores_what_is_not_the_players_to_say(self, player: PlayClient, boxes: dict[str, int], casino: Casino) -> None:
        said = {"funding": "operator", "playerExternalId": "u_2", "gameKey": "slots", "currency": "USD"}
        bought = buy(player, boxes["sure-item"], **said)
        assert bought.status == 200
        assert bought.body["round"]["funding"] == "player"
        assert Round.objects.get().player.external_id == "u_1"
        assert casino.wallet.balance("u_1") == 1_000_000 - 500

    def test_says_whether_money_moved(self, player: PlayClient, boxes: dict[str, int], casino: Casino) -> None:
        casino.play(answers(b"<html>", status=500))
        refused = buy(player, boxes["sure-item"])
        assert (refused.status, refused.code) == (503, "WALLET_UNAVAILABLE")
        assert refused.body["error"]["moneyMoved"] == "unknown"
        assert refused.body["round"]["status"] == "pending"

    def test_names_the_fields_that_are_wrong(self, player: PlayClient) -> None:
        refused = player.post("rounds/open", {"clientActionId": 5, "reels": []})
        assert refused.code == "VALIDATION_FAILED"
        assert set(refused.body["error"]["fields"]) == {"clientActionId", "reels"}
        assert not Action.objects.exists()


class TestAnotherCurrency:
    @pytest.fixture
    def player(self, s2s: SignedClient, acme: NewOperator, boxes: dict[str, int]) -> PlayClient:
        """Return a player in kronor, launched at 10 for a euro."""
        change_settings(operator=acme.operator, changes={"currencies": "EUR,SEK"}, at=timezone.now())
        set_rate(base="EUR", quote="SEK", rate="10", source="test", at=timezone.now())
        return enter(s2s, currency="SEK", balanceMinor=1_000_000)

    def test_is_charged_at_the_rate_of_the_session(self, player: PlayClient, boxes: dict[str, int], casino: Casino) -> None:
        bought = buy(player, boxes["sure-item"])
        assert (bought.body["round"]["betMinor"], bought.body["round"]["currency"]) == (5000, "SEK")
        assert casino.wallet.balance("u_1", "SEK") == 1_000_000 - 5000

    def test_is_refused_once_the_rate_moved_until_prices_are_shown_again(
        self, player: PlayClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        set_rate(base="EUR", quote="SEK", rate="12", source="test", at=timezone.now())
        request = order(boxes["sure-item"])
        refused = player.post("rounds/open", request)
        assert (refused.status, refused.code) == (422, "FX_RATE_MOVED")
        assert casino.calls() == []
        assert player.get("boxes").status == 200
        assert player.post("rounds/open", request).body["round"]["betMinor"] == 6000

    def test_does_not_go_by_what_the_operators_backend_was_shown(
        self, player: PlayClient, s2s: SignedClient, boxes: dict[str, int]
    ) -> None:
        set_rate(base="EUR", quote="SEK", rate="12", source="test", at=timezone.now())
        assert s2s.get("/api/s2s/boxes?currency=SEK").status == 200
        assert buy(player, boxes["sure-item"]).code == "FX_RATE_MOVED"


class TestFreeOpens:
    def test_debit_nothing_until_they_are_used_up(
        self, guest_of_the_house: PlayClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        funded = [buy(guest_of_the_house, boxes["sure-item"]).body["round"]["funding"] for _ in range(3)]
        assert funded == ["operator", "operator", "player"]
        assert casino.wallet.balance("u_1") == 1_000_000 - 500
        assert free_opens(guest_of_the_house) == 0

    def test_are_counted_by_box_and_a_purchase_is_free_as_a_whole_or_not(
        self, guest_of_the_house: PlayClient, boxes: dict[str, int]
    ) -> None:
        version = boxes["sure-item"]
        assert buy(guest_of_the_house, version, version, version).body["round"]["funding"] == "player"
        assert free_opens(guest_of_the_house) == 2
        assert buy(guest_of_the_house, version, version).body["round"]["funding"] == "operator"
        assert free_opens(guest_of_the_house) == 0

    def test_are_of_the_target_box_only(self, guest_of_the_house: PlayClient, boxes: dict[str, int]) -> None:
        for versions in ([boxes["sure-cash"]], [boxes["sure-item"], boxes["sure-cash"]]):
            assert buy(guest_of_the_house, *versions).body["round"]["funding"] == "player"
        assert free_opens(guest_of_the_house) == 2

    def test_are_of_every_version_of_the_target_box(self, guest_of_the_house: PlayClient, acme: NewOperator) -> None:
        version = publish_boxes(acme, SURE_ITEM | {"priceMinor": 700})["sure-item"]
        assert buy(guest_of_the_house, version).body["round"]["funding"] == "operator"

    def test_may_be_without_end(self, s2s: SignedClient, acme: NewOperator, boxes: dict[str, int]) -> None:
        player = enter(s2s, target={"boxId": box_id(acme, "sure-item")}, funding="operator")
        for _ in range(3):
            assert buy(player, boxes["sure-item"]).body["round"]["funding"] == "operator"
        assert free_opens(player) is None
        assert buy(player, boxes["sure-cash"]).body["round"]["funding"] == "player"
        assert not FundingDecision.objects.exists()

    def test_are_not_had_in_the_lobby(self, s2s: SignedClient, boxes: dict[str, int]) -> None:
        player = enter(s2s, funding="operator", fundingRounds=5)
        assert buy(player, boxes["sure-item"]).body["round"]["funding"] == "player"

    def test_are_the_sessions_own(self, guest_of_the_house: PlayClient, s2s: SignedClient, boxes: dict[str, int]) -> None:
        other = enter(s2s, balanceMinor=5)
        assert buy(other, boxes["sure-item"]).body["round"]["funding"] == "player"
        assert free_opens(guest_of_the_house) == 2

    def test_can_be_put_into_the_vault_and_are_not_refunded(
        self, guest_of_the_house: PlayClient, boxes: dict[str, int]
    ) -> None:
        held = buy(guest_of_the_house, boxes["sure-item"], mode="prepay")
        assert (held.status, held.body["round"]["funding"]) == (201, "operator")
        public_id = held.body["round"]["publicId"]
        refused = guest_of_the_house.post("rounds/cancel", {"roundPublicId": public_id})
        assert (refused.status, refused.code) == (409, "ROUND_NOT_REFUNDABLE")


class TestARetryOfAFreeOpen:
    def test_stays_free_when_all_are_used_up(
        self, guest_of_the_house: PlayClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        request = order(boxes["sure-item"], boxes["sure-item"])
        first, again = (guest_of_the_house.post("rounds/open", request) for _ in range(2))
        assert again.body == first.body
        assert again.headers["Idempotent-Replayed"] == "true"
        assert casino.calls() == []

    def test_stays_free_in_a_session_that_pays(
        self, guest_of_the_house: PlayClient, player: PlayClient, boxes: dict[str, int]
    ) -> None:
        request = order(boxes["sure-item"])
        first = guest_of_the_house.post("rounds/open", request)
        assert player.post("rounds/open", request).body == first.body

    def test_stays_paid_when_a_free_one_came_back(
        self, guest_of_the_house: PlayClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        version = boxes["sure-item"]
        buy(guest_of_the_house, version)
        request = order(version, version)
        first = guest_of_the_house.post("rounds/open", request)
        assert first.body["round"]["funding"] == "player"
        FundingDecision.objects.filter(funding="operator").delete()
        assert free_opens(guest_of_the_house) == 2
        assert guest_of_the_house.post("rounds/open", request).body == first.body
        assert [call["type"] for call in casino.calls()] == ["wallet.debit", "wallet.balance"]

    def test_goes_on_paying_where_the_wallet_gave_no_answer(
        self, guest_of_the_house: PlayClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        version = boxes["sure-item"]
        casino.play(answers(b"<html>", status=500))
        request = order(version, version, version)
        assert guest_of_the_house.post("rounds/open", request).status == 503
        settled = guest_of_the_house.post("rounds/open", request)
        assert (settled.status, settled.body["round"]["funding"]) == (200, "player")

    def test_with_other_reels_is_a_conflict(self, guest_of_the_house: PlayClient, boxes: dict[str, int]) -> None:
        version = boxes["sure-item"]
        request = order(version)
        assert guest_of_the_house.post("rounds/open", request).status == 200
        other = order(version, version, clientActionId=request["clientActionId"])
        assert guest_of_the_house.post("rounds/open", other).code == "IDEMPOTENCY_CONFLICT"
        assert Round.objects.count() == 1
        assert free_opens(guest_of_the_house) == 1


class TestARefusalOfAFreeOpen:
    def test_takes_none(self, guest_of_the_house: PlayClient, boxes: dict[str, int], acme: NewOperator) -> None:
        request = order(boxes["sure-item"])
        publish_boxes(acme, SURE_ITEM | {"priceMinor": 700})
        refused = guest_of_the_house.post("rounds/open", request)
        assert (refused.status, refused.code) == (409, "BOX_NOT_PLAYABLE")
        assert not FundingDecision.objects.exists()
        assert free_opens(guest_of_the_house) == 2

    def test_leaves_the_action_id_to_a_corrected_request(
        self, guest_of_the_house: PlayClient, boxes: dict[str, int], acme: NewOperator
    ) -> None:
        request = order(boxes["sure-item"])
        version = publish_boxes(acme, SURE_ITEM | {"priceMinor": 700})["sure-item"]
        assert guest_of_the_house.post("rounds/open", request).code == "BOX_NOT_PLAYABLE"
        fixed = order(version, version, clientActionId=request["clientActionId"])
        assert guest_of_the_house.post("rounds/open", fixed).body["round"]["funding"] == "operator"

    def test_takes_none_where_the_player_would_have_paid_and_could_not(
        self, guest_of_the_house: PlayClient, boxes: dict[str, int], casino: Casino
    ) -> None:
        casino.wallet.opening_minor = 0
        version = boxes["sure-item"]
        refused = buy(guest_of_the_house, version, version, version)
        assert refused.code == "INSUFFICIENT_FUNDS"
        assert refused.body["round"]["status"] == "voided"
        assert free_opens(guest_of_the_house) == 2


class TestAHeldBox:
    def test_is_shown_in_the_vault_and_opened_from_there(
        self, player: PlayClient, boxes: dict[str, int], acme: NewOperator, casino: Casino
    ) -> None:
        held = buy(player, boxes["harbour"], mode="prepay")
        assert (held.status, held.body["round"]["status"]) == (201, "held")
        publish_boxes(acme, HARBOUR | {"priceMinor": 900, "name": "Harbour Chest"})
        vault = player.get("vault")
        assert vault.status == 200
        [shown] = vault.body["items"]
        [reel] = shown.pop("reels")
        assert shown | {"reels": [{"reelIndex": 0, "boxVersionId": boxes["harbour"]}]} == held.body["round"]
        assert reel["box"] == {
            "boxId": box_id(acme, "harbour"),
            "name": "Harbour Chest",
            "image": {"alt": None, "webp": None, "default": None},
        }
        opened = player.post("rounds/open", {"clientActionId": "open-1", "roundPublicId": shown["publicId"]})
        assert (opened.status, opened.body["round"]["status"]) == (200, "settled")
        assert player.get("vault").body["items"] == []
        assert [call["type"] for call in casino.calls()][:1] == ["wallet.debit"]

    def test_of_another_player_is_not_found(self, player: PlayClient, s2s: SignedClient, boxes: dict[str, int]) -> None:
        public_id = buy(player, boxes["harbour"], mode="prepay").body["round"]["publicId"]
        other = enter(s2s, playerExternalId="u_2")
        request = {"clientActionId": "open-1", "roundPublicId": public_id}
        for refused in (
            other.post("rounds/open", request),
            other.post("rounds/cancel", {"roundPublicId": public_id}),
            other.get(f"rounds/{public_id}"),
        ):
            assert (refused.status, refused.code) == (404, "ROUND_NOT_FOUND")
        assert other.get("vault").body["items"] == []
        assert Round.objects.get().state == "held"

    def test_is_cancelled_once(self, player: PlayClient, boxes: dict[str, int], casino: Casino) -> None:
        public_id = buy(player, boxes["harbour"], mode="prepay").body["round"]["publicId"]
        first, again = (player.post("rounds/cancel", {"roundPublicId": public_id}) for _ in range(2))
        assert first.status == 200
        assert first.body == {
            "round": {"publicId": public_id, "status": "refunded", "refundedMinor": 500, "currency": "EUR"},
            "balanceAfterMinor": 1_000_000,
        }
        assert again.body == first.body
        assert again.headers["Idempotent-Replayed"] == "true"
        assert casino.wallet.balance("u_1") == 1_000_000

    @pytest.mark.parametrize("key", ["cashback:inventory:1", "refund:round:r_other", "payout:round:r_other"])
    def test_is_not_cancelled_under_a_key_of_the_platforms(
        self, player: PlayClient, boxes: dict[str, int], casino: Casino, key: str
    ) -> None:
        public_id = buy(player, boxes["harbour"], mode="prepay").body["round"]["publicId"]
        refused = player.post("rounds/cancel", {"roundPublicId": public_id, "idempotencyKey": key})
        assert (refused.code, list(refused.body["error"]["fields"])) == ("VALIDATION_FAILED", ["idempotencyKey"])
        own = {"roundPublicId": public_id, "idempotencyKey": f"refund:round:{public_id}"}
        assert player.post("rounds/cancel", own).status == 200


class TestRounds:
    def test_are_paged_newest_first(self, player: PlayClient, boxes: dict[str, int]) -> None:
        bought = [buy(player, boxes["sure-item"]).body["round"]["publicId"] for _ in range(5)]
        pages, path = [], "rounds?limit=2"
        while path:
            page = player.get(path).body
            pages.append([row["publicId"] for row in page["items"]])
            path = page["cursor"]["next"] and f"rounds?limit=2&cursor={page['cursor']['next']}"
        assert pages == [[bought[4], bought[3]], [bought[2], bought[1]], [bought[0]]]
        back = player.get(f"rounds?limit=2&cursor={page['cursor']['prev']}").body
        assert [row["publicId"] for row in back["items"]] == pages[1]

    def test_show_what_was_won(self, player: PlayClient, boxes: dict[str, int], acme: NewOperator) -> None:
        bought = buy(player, boxes["sure-item"]).body["round"]
        [row] = player.get("rounds").body["items"]
        assert row["wonItems"] == bought["wonItems"]
        assert row["reels"][0]["prize"] == bought["reels"][0]["prize"]
        assert row["reels"][0]["box"]["boxId"] == box_id(acme, "sure-item")

    def test_cost_the_same_queries_however_many(
        self, player: PlayClient, boxes: dict[str, int], django_assert_num_queries: Any
    ) -> None:
        for count in (1, 4):
            for _ in range(count):
                buy(player, boxes["sure-item"])
            player.get("rounds")  # keeps box and version
            with django_assert_num_queries(3):
                player.get("rounds")

    def test_are_the_players_own(self, player: PlayClient, s2s: SignedClient, boxes: dict[str, int]) -> None:
        buy(player, boxes["sure-item"])
        assert enter(s2s, playerExternalId="u_2").get("rounds").body == {
            "items": [],
            "cursor": {"next": None, "prev": None},
        }

    def test_refuse_a_cursor_that_we_never_gave(self, player: PlayClient) -> None:
        for path in ("rounds?cursor=x", "vault?cursor=x", "rounds?limit=0"):
            assert player.get(path).code == "VALIDATION_FAILED"

    def test_tell_one_with_its_wallet_calls(self, player: PlayClient, boxes: dict[str, int]) -> None:
        public_id = buy(player, boxes["sure-item"]).body["round"]["publicId"]
        shown = player.get(f"rounds/{public_id}").body["round"]
        assert [call["idempotencyKey"] for call in shown["walletCalls"]] == [f"round:{public_id}"]


class TestFairness:
    def test_state_shows_hashes_before_the_round_and_the_seed_after_rotation(
        self, player: PlayClient, boxes: dict[str, int]
    ) -> None:
        before = player.get("fairness/state").body
        assert before == {"fairness": player.bootstrap["fairness"], "revealed": []}
        drawn = buy(player, boxes["sure-item"]).body["round"]["fairness"]
        assert drawn["serverSeedHash"] == before["fairness"]["serverSeedHash"]
        rotated = player.post("fairness/rotate", {"clientSeed": "my-own_seed"})
        assert rotated.status == 200
        assert rotated.body["revealed"]["serverSeedHash"] == drawn["serverSeedHash"]
        assert rotated.body["revealed"]["rounds"] == 1
        assert rotated.body["fairness"]["serverSeedHash"] == before["fairness"]["nextServerSeedHash"]
        assert (rotated.body["fairness"]["clientSeed"], rotated.body["fairness"]["nextNonce"]) == ("my-own_seed", 0)
        after = player.get("fairness/state").body
        assert after == {"fairness": rotated.body["fairness"], "revealed": [rotated.body["revealed"]]}

    def test_rotation_carries_the_client_seed_over(self, player: PlayClient) -> None:
        assert player.post("fairness/rotate").body["fairness"]["clientSeed"] == player.bootstrap["fairness"]["clientSeed"]

    @pytest.mark.parametrize("seed", ["", "a b", "x" * 65, 5, None])
    def test_rotation_refuses_another_form(self, player: PlayClient, seed: Any) -> None:
        refused = player.post("fairness/rotate", {"clientSeed": seed})
        assert (refused.status, refused.code) == (422, "INVALID_CLIENT_SEED")
        assert player.get("fairness/state").body["fairness"] == player.bootstrap["fairness"]
