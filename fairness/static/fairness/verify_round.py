#!/usr/bin/env python3
"""Check a round with nothing but Python (3.9 or later).

    python3 verify_round.py https://casino.example/fairness/rounds/r_01J…
    python3 verify_round.py round.json snapshot-1201.json [snapshot-1202.json …]

The first form fetches the round and the prize tables that it was drawn from. The second reads them from files, one prize table
(`/fairness/box-version/<id>/snapshot`) for each box version. Prints each step, and ends with status 0 when the round holds, 1
when it does not or can't be read, 2 when its server seed is not revealed yet: have it revealed in the game, then try again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOLDS, FAILS, UNREVEALED, UNDRAWN = "holds", "fails", "unrevealed", "undrawn"
STATUS = {HOLDS: 0, FAILS: 1, UNREVEALED: 2, UNDRAWN: 2}
CONCLUSION = {
    HOLDS: "The round holds: it was drawn exactly as its seeds and prize tables say.",
    FAILS: "THE ROUND DOES NOT HOLD.",
    UNREVEALED: "The server seed is not revealed yet. Change your seed in the game, then verify again.",
    UNDRAWN: "Nothing was drawn in this round, so there is nothing to verify.",
}
Step = tuple[bool, str]


def sha256(text: str) -> str:
    """Return the hex SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(value: Any) -> str:
    """Return the one JSON text that is hashed: keys sorted, no spaces, nothing escaped that needn't be."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def attempts(server_seed: str, message: str, total_weight: int) -> Iterator[tuple[str, int, bool]]:
    """Yield each attempt's message, its HMAC as a number, and whether that number counts; the last one does."""
    limit = 2**256 // total_weight * total_weight
    attempt, accepted = 0, False
    while not accepted:
        tried = f"{message}:{attempt}"
        number = int.from_bytes(hmac.new(server_seed.encode(), tried.encode(), hashlib.sha256).digest(), "big")
        accepted = number < limit
        yield tried, number, accepted
        attempt += 1


def pick(weights: list[int], roll: int) -> int:
    """Return the index of the first prize whose cumulative weight exceeds `roll`."""
    cumulative = 0
    for index, weight in enumerate(weights):
        cumulative += weight
        if cumulative > roll:
            return index
    return len(weights)


def verify(round_: dict[str, Any], snapshots: dict[int, dict[str, Any]]) -> tuple[str, list[Step]]:
    """Return the verdict on a round, and the steps to it. `snapshots` holds the prize tables by box version."""
    if not round_["draws"]:
        return UNDRAWN, []
    if round_["serverSeed"] is None:
        return UNREVEALED, []
    seed, steps = round_["serverSeed"], []
    steps.append((round_["algorithmKey"] == "hmac_sha256_v1", f"The algorithm is {round_['algorithmKey']}."))
    steps.append((sha256(seed) == round_["serverSeedHash"], f"SHA-256 of server seed {seed} is {sha256(seed)}."))
    for draw in round_["draws"]:
        steps += _reel(round_, draw, snapshots.get(draw["boxVersionId"]))
    return (HOLDS if all(right for right, _ in steps) else FAILS), steps


def _reel(round_: dict[str, Any], draw: dict[str, Any], snapshot: dict[str, Any] | None) -> Iterator[Step]:
    name = f"Reel {draw['reelIndex']}"
    if snapshot is None:
        yield False, f"{name}: the prize table of box version {draw['boxVersionId']} is missing."
        return
    found = sha256(canonical(snapshot))
    yield found == draw["snapshotHash"], f"{name}: SHA-256 of the prize table is {found}."
    weights = [prize["weight"] for prize in snapshot["prizes"]]
    total = snapshot["totalWeight"]
    yield sum(weights) == total, f"{name}: the {len(weights)} weights add up to {sum(weights)} of W = {total}."
    message = f"{round_['clientSeed']}:{round_['nonce']}:{draw['reelIndex']}:{draw['snapshotHash']}"
    roll = 0
    for tried, number, accepted in attempts(round_["serverSeed"], message, total):
        yield True, f"{name}: HMAC-SHA256 of {tried} is n = {number}{'' if accepted else ', out of the last block'}."
        roll = number % total
    yield roll == draw["roll"], f"{name}: roll = n mod W is {roll}, recorded was {draw['roll']}."
    index = pick(weights, roll)
    won = snapshot["prizes"][index]["name"] if index < len(weights) else "no prize"
    yield index == draw["prizeIndex"], f"{name}: that is prize {index} ({won}), recorded was {draw['prizeIndex']}."


def load(place: str) -> Any:
    """Return the JSON at an address or in a file."""
    if place.startswith(("https://", "http://")):
        request = urllib.request.Request(place, headers={"Accept": "application/json"})  # noqa: S310 - checked in the line above
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)
    return json.loads(Path(place).read_text(encoding="utf-8"))


def main(places: list[str]) -> int:
    """Print the steps and the conclusion; return the exit status."""
    if not places:
        sys.exit(__doc__)
    try:
        round_ = load(places[0])
        tables = places[1:]
        if not tables and "://" in places[0]:
            versions = sorted({draw["boxVersionId"] for draw in round_["draws"]})
            tables = [urllib.parse.urljoin(places[0], f"/fairness/box-version/{version}/snapshot") for version in versions]
        loaded = [load(table) for table in tables]
        verdict, steps = verify(round_, {table["boxVersionId"]: table["snapshot"] for table in loaded})
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"This could not be read as a round and its prize tables: {error!r}")
    print(f"Round {round_['round']['publicId']} ({round_['round']['status']})")
    for right, step in steps:
        print("ok  " if right else "NO  ", step)
    print(CONCLUSION[verdict])
    return STATUS[verdict]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
