"""What anybody may check a round with, without a key, and our own check of everything stored of it (contract section 9)."""

import enum
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

from catalog.models import BoxVersion
from fairness import algorithm
from fairness.models import SeedPair, SeedState
from lootbox.core.errors import ApiError, ErrorCode
from lootbox.core.ids import Prefix, parse_public_id
from lootbox.core.money import convert
from purchases.models import Draw, Reel, Round, RoundState


class Snapshot(NamedTuple):
    """A published prize table: the canonical JSON, and the hash of it that enters every draw."""

    content: bytes
    hash: str


class Verdict(enum.StrEnum):
    """What came of checking a round. UNREVEALED and UNDRAWN leave nothing to check yet."""

    HOLDS = "holds"
    FAILS = "fails"
    UNREVEALED = "unrevealed"
    UNDRAWN = "undrawn"


class Finding(NamedTuple):
    """One thing that was recomputed, and whether what is stored agrees."""

    agrees: bool
    text: str


@dataclass(frozen=True)
class Verification:
    """What was found, in the order in which it was looked at."""

    verdict: Verdict
    findings: Sequence[Finding]


def snapshot(*, version_id: int) -> Snapshot:
    """Return the prize table of a box version of any operator. Raises `UNKNOWN_BOX`."""
    version = BoxVersion.objects.filter(pk=version_id).only("snapshot", "snapshot_hash").first()
    if version is None:
        raise ApiError(ErrorCode.UNKNOWN_BOX, "There is no such box version.")
    return Snapshot(bytes(version.snapshot), version.snapshot_hash)


def proof(*, public_id: str) -> dict[str, Any]:
    """Return what a round of any operator was drawn from, the server seed once it is revealed. Raises `ROUND_NOT_FOUND`."""
    played = _find(public_id)
    pair = played.seed_pair
    draws = Draw.objects.filter(round=played).order_by("reel_index").select_related("box_version", "prize")
    return {
        "round": {
            "publicId": public_id,
            "status": RoundState.PENDING.value if played.state == RoundState.UNDOING else played.state,
        },
        "serverSeedHash": pair and pair.server_seed_hash,
        "serverSeed": pair.server_seed if pair and pair.state == SeedState.REVEALED else None,
        "clientSeed": pair and pair.client_seed,
        "nonce": played.nonce,
        "algorithmKey": pair and algorithm.ALGORITHM_KEY,
        "draws": [
            {
                "reelIndex": draw.reel_index,
                "boxVersionId": draw.box_version_id,
                "snapshotHash": draw.box_version.snapshot_hash,
                "roll": draw.roll,
                "prizeIndex": draw.prize.index,
            }
            for draw in draws.defer("box_version__snapshot")
        ],
    }


def verify(*, public_id: str) -> Verification:
    """Recompute a round from its revealed seed and the stored prize tables, to the values it paid. Raises `ROUND_NOT_FOUND`."""
    played = _find(public_id)
    pair = played.seed_pair
    if pair is None:
        return Verification(Verdict.UNDRAWN, [])
    if pair.state != SeedState.REVEALED:
        return Verification(Verdict.UNREVEALED, [])
    findings = list(_findings(played, pair))
    return Verification(Verdict.HOLDS if all(finding.agrees for finding in findings) else Verdict.FAILS, findings)


def _find(public_id: str) -> Round:
    round_id = parse_public_id(Prefix.ROUND, public_id)
    # A server seed is not even decrypted unless it is revealed.
    rounds = Round.objects.select_related("seed_pair").defer("seed_pair__server_seed")
    played = None if round_id is None else rounds.filter(pk=round_id).first()
    if played is None:
        raise ApiError(ErrorCode.ROUND_NOT_FOUND)
    return played


def _findings(played: Round, pair: SeedPair) -> Iterator[Finding]:
    found = algorithm.seed_hash(pair.server_seed)
    yield Finding(
        found == pair.server_seed_hash, f"SHA-256 of the server seed is {found}, committed was {pair.server_seed_hash}."
    )
    taken = played.nonce is not None and 0 <= played.nonce < pair.next_nonce
    yield Finding(taken, f"The nonce is {played.nonce}, the seed drew {pair.next_nonce} rounds.")

    reels = {reel.reel_index: reel for reel in Reel.objects.filter(round=played)}
    draws = list(Draw.objects.filter(round=played).order_by("reel_index").select_related("box_version", "prize"))
    bought, drawn = sorted(reels), [draw.reel_index for draw in draws]
    yield Finding(bought == drawn, f"Reels {drawn} were drawn, bought were {bought}.")
    for draw in draws:
        if draw.reel_index in reels:
            for finding in _reel_findings(played, pair, reels[draw.reel_index], draw):
                yield Finding(finding.agrees, f"Reel {draw.reel_index}: {finding.text}")

    values, base_values = sum(draw.value_minor for draw in draws), sum(draw.base_value_minor for draw in draws)
    yield Finding(values == played.payout_minor, f"The prizes are worth {values}, the round says {played.payout_minor}.")
    yield Finding(
        base_values == played.base_payout_minor,
        f"In the base currency that is {base_values}, the round says {played.base_payout_minor}.",
    )


def _reel_findings(played: Round, pair: SeedPair, reel: Reel, draw: Draw) -> Iterator[Finding]:
    yield Finding(
        (draw.seed_pair_id, draw.nonce, draw.box_version_id) == (pair.pk, played.nonce, reel.box_version_id),
        f"drawn with nonce {draw.nonce} of seed pair {draw.seed_pair_id} from box version {draw.box_version_id}, "
        f"the round says nonce {played.nonce}, pair {pair.pk}, version {reel.box_version_id}.",
    )
    content, committed = bytes(draw.box_version.snapshot), draw.box_version.snapshot_hash
    found = hashlib.sha256(content).hexdigest()
    intact = Finding(found == committed, f"SHA-256 of the prize table is {found}, published was {committed}.")
    yield intact
    if not intact.agrees:
        return
    table = json.loads(content)
    cumulative = list(accumulate(line["weight"] for line in table["prizes"]))
    whole = Finding(
        cumulative[-1] == table["totalWeight"], f"the weights add up to {cumulative[-1]} of {table['totalWeight']}."
    )
    yield whole
    if not whole.agrees:
        return
    roll = algorithm.roll(
        server_seed=pair.server_seed,
        client_seed=pair.client_seed,
        nonce=draw.nonce,
        reel_index=draw.reel_index,
        snapshot_hash=found,
        total_weight=cumulative[-1],
    )
    yield Finding(roll == draw.roll, f"the roll is {roll}, stored was {draw.roll}.")
    line = table["prizes"][algorithm.pick(cumulative, roll)]
    yield from _prize_findings(played, draw, line, currency=table["currency"])


def _prize_findings(played: Round, draw: Draw, line: dict[str, Any], *, currency: str) -> Iterator[Finding]:
    prize, value = draw.prize, line["valueMinor"]
    yield Finding(
        (prize.version_id, prize.index) == (draw.box_version_id, line["index"]),
        f"that is prize {line['index']} of version {draw.box_version_id}, "
        f"stored was prize {prize.index} of version {prize.version_id}.",
    )
    stored = {"itemId": prize.item_id, "kind": prize.kind, "valueMinor": prize.value_minor, "weight": prize.weight}
    agrees = stored == {name: line[name] for name in stored} and line["name"] in prize.name.values()
    yield Finding(agrees, f"the prize table says {line}, the stored prize is {stored | {'names': prize.name}}.")
    if currency != played.currency:
        value = convert(amount_minor=value, source=currency, target=played.currency, rate=played.fx_rate)
    yield Finding(
        (draw.base_value_minor, draw.value_minor) == (line["valueMinor"], value),
        f"the prize is worth {line['valueMinor']} {currency}, so {value} {played.currency} at the round's rate; "
        f"stored were {draw.base_value_minor} and {draw.value_minor}.",
    )
