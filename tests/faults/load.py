"""Players who buy, hold, open, cancel and cash out at random, through a backend that retries as a good one does."""

import random
import threading
import time
from types import TracebackType
from typing import Any, Self

from tests.faults.rig import Answer, Shop

LONGEST_S = 60.0


class Load:
    """Threads that keep an operator's players busy for the length of a `with`."""

    def __init__(self, shop: Shop, *, seed: int, threads: int = 4, retries: float = 0.8) -> None:
        """Prepare; `retries` is the share of purchases that are not given up when something went wrong."""
        self.settled = 0
        self.calls = 0
        self._shop = shop
        self._retries = retries
        self._stopped = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(seed, number)) for number in range(threads)]

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let everybody finish. Raises what went wrong in a thread."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        if self._failures and error is None:
            raise self._failures[0]

    def _run(self, seed: int, number: int) -> None:
        chance = random.Random(f"{seed} {number}")  # noqa: S311 - a run can be repeated
        try:
            while not self._stopped.is_set():
                self._act(chance, f"u_{number}_{chance.randrange(3)}")
        except BaseException as error:  # noqa: BLE001 - raised again where the load ends
            self._failures.append(error)

    def _act(self, chance: random.Random, player: str) -> None:
        kind = chance.choices(["open", "reels", "free", "prepay", "cash"], [5, 2, 1, 4, 2])[0]
        box = chance.choice(["harbour", "sure-item", "sure-cash"])
        order = self._shop.order(box, playerExternalId=player)
        if kind == "reels":
            order["reels"] = [{"reelIndex": index, "boxVersionId": self._shop.versions[box]} for index in range(3)]
        elif kind == "free":
            order["funding"] = "operator"
        elif kind == "prepay":
            order["mode"] = "prepay"
        bought = self._buy(chance, order)
        if bought.status == 201:
            self._go_on(chance, player, bought.public_id)
        elif kind == "cash" and bought.status == 200 and bought.round["wonItems"]:
            item = bought.round["wonItems"][0]["inventoryItemId"]
            self._try(chance, lambda: self._shop.cash_out(item, player))

    def _buy(self, chance: random.Random, order: dict[str, Any]) -> Answer:
        answer = self._try(chance, lambda: self._shop.purchase(order))
        self.settled += answer.status in {200, 201}
        return answer

    def _go_on(self, chance: random.Random, player: str, public_id: str) -> None:
        match chance.choice(["open", "cancel", "both", "wait"]):
            case "open":
                self._try(chance, lambda: self._shop.open(public_id, player))
            case "cancel":
                self._try(chance, lambda: self._shop.cancel(public_id, player))
            case "both":
                rival = threading.Thread(target=self._shop.cancel, args=(public_id, player))
                rival.start()
                self._shop.open(public_id, player)
                rival.join()
                self.calls += 2

    def _try(self, chance: random.Random, call: Any) -> Answer:
        """Return the last answer of a call that is repeated, or given up, for as long as it is not answered for good."""
        patient = chance.random() < self._retries
        deadline = time.monotonic() + LONGEST_S
        while True:
            answer: Answer = call()
            self.calls += 1
            unsure = answer.status == 0 or (answer.code is not None and answer.body["error"]["retryable"])
            if not unsure or not patient or self._stopped.is_set() or time.monotonic() > deadline:
                return answer
            time.sleep(chance.uniform(0.05, 0.3))
