"""What is checked when the faults are over: the invariants, both ledgers key by key, and that nobody was told otherwise."""

from collections.abc import Mapping
from typing import Any

from tests.faults.rig import Answer, Rig, Shop

OURS = """
SELECT idempotency_key, CASE type WHEN 'wallet.credit' THEN amount_minor ELSE -amount_minor END, currency
FROM wallet_walletcall call JOIN operators_operator operator ON operator.id = call.operator_id
WHERE operator.slug = %s AND state = 'accepted' AND type <> 'wallet.rollback'
"""
ACTIONS = """
SELECT player.external_id, action.client_action_id, round.id, round.state
FROM purchases_action action
JOIN purchases_round round ON round.id = action.round_id
JOIN operators_player player ON player.id = action.player_id
JOIN operators_operator operator ON operator.id = action.operator_id
WHERE operator.slug = %s
"""
UNPAID = """
SELECT round.id FROM purchases_round round JOIN operators_operator operator ON operator.id = round.operator_id
WHERE operator.slug = %s AND round.credited_minor > 0 AND NOT EXISTS (
    SELECT FROM wallet_walletcall payout
    WHERE payout.round_id = round.id AND payout.reason = 'payout' AND payout.state = 'accepted')
"""


def assert_sound(rig: Rig, *shops: Shop) -> None:
    """Wait until recovery is done, then assert that nothing is wrong."""
    rig.settle_down()
    assert differences(rig, *shops) == []


def differences(rig: Rig, *shops: Shop) -> list[str]:
    """Return in words what is wrong with the money, nothing where all is well."""
    found = [complaint] if (complaint := rig.complaint("check_invariants", "--json")) else []
    for shop in shops:
        found += _ledgers(rig, shop) + _promises(rig, shop)
        found += [f"{shop.slug}: round {round_id} won cash that was not paid" for (round_id,) in rig.rows(UNPAID, shop.slug)]
    return found


def _ledgers(rig: Rig, shop: Shop) -> list[str]:
    """Compare the operator's ledger with ours, movement by movement."""
    ours = {key: (minor, currency) for key, minor, currency in rig.rows(OURS, shop.slug)}
    theirs = {key: (move.applied_minor, move.currency) for key, move in shop.wallet.movements.items() if move.applied_minor}
    theirs = {key: moved for key, moved in theirs.items() if not key.startswith(("rollback:", "check:"))}
    keys = sorted(key for key in ours | theirs if ours.get(key) != theirs.get(key))
    return [f"{shop.slug}: {key} is {ours.get(key)} with us and {theirs.get(key)} with the operator" for key in keys]


def _promises(rig: Rig, shop: Shop) -> list[str]:
    """Compare what the operator was told with what is so."""
    states = {(player, action): state for player, action, _, state in rig.rows(ACTIONS, shop.slug)}
    found = []
    for (player, action), answers in list(shop.heard.items()):
        told = [_told(answer) for answer in answers if answer.status in (200, 201)]
        if any(other != told[0] for other in told):
            found.append(f"{shop.slug}: {action} of {player} was answered in two ways: {told}")
        state = states.get((player, action))
        if told and state not in {"settled", "held", "refunded", "expired"}:
            found.append(f"{shop.slug}: {action} of {player} was answered as bought, and is {state}")
        if answers[-1].code == "WALLET_UNAVAILABLE" and state in {"settled", "held"}:
            found.append(f"{shop.slug}: {action} of {player} was told 503, and then {state} behind its back")
        if answers[-1].code == "INSUFFICIENT_FUNDS" and state != "voided":
            found.append(f"{shop.slug}: {action} of {player} was refused, and is {state}")
    return found


def _told(answer: Answer) -> Mapping[str, Any]:
    """Return the part of an answer that never changes."""
    reels = [(reel["reelIndex"], reel.get("prize")) for reel in answer.round["reels"]]
    return {"publicId": answer.public_id, "reels": reels if answer.round["status"] == "settled" else None}
