"""`python -m tests.faults.soak --minutes 10 --seed 7`: mixed load, and at random everything that may break; then the books.

Prints which faults were injected, how many calls were made, and every difference found. Exits 1 when there is one.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.faults import points
from tests.faults.evidence import differences
from tests.faults.load import Load
from tests.faults.rig import WALLET_TIMEOUT_S, Rig, Shop
from tests.faulty_server import Act, answer, drip, framed, late, never, redirect, reset

# The points that load reaches by itself, and at which a web or recovery worker dies.
DEADLY = (
    "before-claim",
    "claimed",
    "answered",
    "answered-prepay",
    "settling",
    "settled",
    "paid",
    "responding",
    "cancel-intended",
    "recording-refund",
    "recording-purchase",
    "recovery-claimed",
    "recovery-probed",
)


def main() -> int:
    """Run for the time that was asked for, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.minutes:g} minutes", flush=True)
    home = Path(tempfile.mkdtemp(prefix="lootbox-soak-"))
    try:
        with Rig(home / "home") as rig:
            return soak(rig, seed=options.seed, seconds=options.minutes * 60)
    finally:
        shutil.rmtree(home)


def soak(rig: Rig, *, seed: int, seconds: float) -> int:
    """Break things for so many seconds, let all come to rest, print the table, and return 1 where money is wrong, else 0."""
    shops = [rig.open_shop(), rig.open_shop(walletRollback="true"), rig.open_shop(shippingCostMinor="300")]
    chance = random.Random(seed)  # noqa: S311 - a run can be repeated
    injected: Counter[str] = Counter()
    with ExitStack() as stack:
        loads = [stack.enter_context(Load(shop, seed=seed + number, threads=3)) for number, shop in enumerate(shops)]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            injected[_break_something(rig, chance, shops)] += 1
            time.sleep(chance.uniform(0.2, 1.5))
        for shop in shops:
            shop.server.play(shop.wallet.answer)
    for point in rig.points.iterdir():
        point.unlink()  # what nobody reached
    rig.resume_recovery()
    rig.settle_down()
    found = differences(rig, *shops)
    _print_table(rig, injected, shops, loads, found)
    return 1 if found else 0


def _break_something(rig: Rig, chance: random.Random, shops: list[Shop]) -> str:
    """Inject one fault and return its name."""
    kind = chance.choices(["wallet", "point", "kill", "freeze", "postgres"], [12, 8, 3, 2, 1])[0]
    if kind == "wallet":
        shop = chance.choice(shops)
        name, fault = chance.choice(_wallet_faults(shop))
        shop.server.play(*[fault] * chance.randint(1, 6), shop.wallet.answer)
        return name
    if kind == "point":
        point = chance.choice(DEADLY)
        action = chance.choices([points.KILL, points.FAIL], [3, 1])[0]
        rig.arm(point, action)
        return f"a process is to {'die' if action == points.KILL else 'fail'} at {point}"
    name, act = chance.choice(_process_faults(rig, chance)[kind])
    act()
    return name


def _wallet_faults(shop: Shop) -> list[tuple[str, Act]]:
    applied = {
        "hangs up": reset(),
        "answers 500": answer(b"{}", status=500),
        "answers nonsense": answer(b"<html>"),
        "sends elsewhere": redirect("http://127.0.0.1:1/"),
        "never answers": never(),
        "answers too late": late(answer(b'{"accepted":true}'), seconds=WALLET_TIMEOUT_S * 1.5),
        "drips": drip(framed(b'{"accepted":true,"balanceAfterMinor":1}'), gap_s=0.05),
    }
    faults = [(f"a wallet moves the money and {name}", shop.wallet.apply_then(fault)) for name, fault in applied.items()]
    faults += [(f"a wallet moves nothing and {name}", fault) for name, fault in applied.items() if name != "answers too late"][
        :3
    ]
    no = answer(b'{"accepted":false,"errorCode":"LIMIT"}', status=503)
    return [*faults, ("a wallet is down and says no", no)]


def _process_faults(rig: Rig, chance: random.Random) -> dict[str, list[tuple[str, Callable[[], None]]]]:
    def freeze_for_longer_than_a_lease() -> None:
        process = chance.choice(rig.web.children())
        rig.web.signal_child(process, signal.SIGSTOP)
        time.sleep(WALLET_TIMEOUT_S + 3)
        rig.web.signal_child(process, signal.SIGCONT)

    def pause_recovery() -> None:
        rig.pause_recovery()
        time.sleep(chance.uniform(1, 4))
        rig.resume_recovery()

    return {
        "kill": [
            ("all web workers are killed", rig.kill_web),
            ("all recovery workers are killed", rig.kill_recovery),
            ("all web workers are told to end", lambda: rig.web.signal_children(signal.SIGTERM)),
        ],
        "freeze": [
            ("a web worker is frozen for longer than its lease", freeze_for_longer_than_a_lease),
            ("recovery is frozen", pause_recovery),
        ],
        "postgres": [
            ("PostgreSQL is restarted at once", rig.restart_postgres),
            ("PostgreSQL is away for seconds", lambda: rig.restart_postgres(away_s=3)),
        ],
    }


def _print_table(rig: Rig, injected: Counter[str], shops: list[Shop], loads: list[Load], found: list[str]) -> None:
    print(f"\n{'faults injected':<70}{'times':>6}")
    for name, times in sorted(injected.items()):
        print(f"{name:<70}{times:>6}")
    print(f"{'in all':<70}{injected.total():>6}\n")
    for state, times in rig.rows("SELECT state, count(*) FROM purchases_round GROUP BY 1 ORDER BY 1"):
        print(f"{'rounds ' + state:<70}{times:>6}")
    print(f"{'calls of operators to the platform':<70}{sum(load.calls for load in loads):>6}")
    print(f"{'calls of the platform to wallets':<70}{sum(len(shop.server.received) for shop in shops):>6}")
    print(f"{'movements in the operators ledgers':<70}{sum(len(shop.wallet.movements) for shop in shops):>6}")
    print(f"{'differences found':<70}{len(found):>6}")
    for difference in found:
        print(f"  {difference}")


if __name__ == "__main__":
    sys.exit(main())
