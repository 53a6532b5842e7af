-- What must hold of the money at any moment. Each query returns the rows that break its rule, as one column; none is right.
-- Run by `manage.py check_invariants`, by the schedule, and after every money test.

-- one_debit_one_refund: a round has at most one accepted debit, refund and payout
SELECT round_id::text || ' ' || reason FROM wallet_walletcall
WHERE round_id IS NOT NULL AND state = 'accepted' AND reason IN ('purchase', 'refund', 'payout')
GROUP BY round_id, reason HAVING count(*) > 1;

-- one_cashback: an item is cashed back at most once, and then it says so
SELECT coalesce(item.id, call.inventory_item_id)::text
FROM (SELECT inventory_item_id, count(*) AS times FROM wallet_walletcall
      WHERE reason = 'cashback' AND state = 'accepted' GROUP BY inventory_item_id) call
FULL JOIN (SELECT id FROM vault_inventoryitem WHERE state = 'cashed_back') item ON item.id = call.inventory_item_id
WHERE item.id IS NULL OR call.times IS DISTINCT FROM 1;

-- drawn_iff_settled: a settled round has one draw a reel, any other none
SELECT round.id::text FROM purchases_round round
WHERE (SELECT count(*) FROM purchases_draw draw WHERE draw.round_id = round.id)
   <> CASE WHEN round.state = 'settled'
      THEN (SELECT count(*) FROM purchases_reel reel WHERE reel.round_id = round.id) ELSE 0 END;

-- settled_is_paid: what is settled or held was debited exactly, or the operator funded it
SELECT round.id::text FROM purchases_round round
WHERE round.state IN ('settled', 'held') AND round.funding = 'player' AND round.bet_minor > 0
  AND NOT EXISTS (
    SELECT FROM wallet_walletcall debit
    WHERE debit.round_id = round.id AND debit.reason = 'purchase' AND debit.state = 'accepted'
      AND debit.amount_minor = round.bet_minor AND debit.currency = round.currency);

-- free_is_free: what the operator funded was never debited
SELECT round.id::text FROM purchases_round round JOIN wallet_walletcall debit ON debit.round_id = round.id
WHERE round.funding = 'operator' AND debit.reason = 'purchase';

-- never_drawn_and_refunded: a round with a refund is not settled, and its debit was accepted
SELECT round.id::text FROM purchases_round round JOIN wallet_walletcall refund ON refund.round_id = round.id
WHERE refund.reason = 'refund' AND refund.state <> 'refused'
  AND (round.state = 'settled' OR NOT EXISTS (
    SELECT FROM wallet_walletcall debit
    WHERE debit.round_id = round.id AND debit.reason = 'purchase' AND debit.state = 'accepted'));

-- given_back: a round that ended without a draw gave back what was taken
SELECT round.id::text FROM purchases_round round JOIN wallet_walletcall debit ON debit.round_id = round.id
WHERE round.state IN ('voided', 'refunded', 'expired') AND debit.reason = 'purchase' AND debit.state = 'accepted'
  AND NOT EXISTS (
    SELECT FROM wallet_walletcall refund
    WHERE refund.round_id = round.id AND refund.reason = 'refund' AND refund.state = 'accepted'
      AND refund.amount_minor = debit.amount_minor AND refund.currency = debit.currency);

-- one_way_door: nothing was drawn after recovery had begun to undo it
SELECT id::text FROM purchases_round WHERE undone_at IS NOT NULL AND state NOT IN ('undoing', 'voided');

-- sums: a round's bet and payout are the sums of its reels and draws, and its credit that of its cash prizes
SELECT round.id::text FROM purchases_round round
WHERE round.bet_minor <> (SELECT sum(reel.bet_minor) FROM purchases_reel reel WHERE reel.round_id = round.id)
   OR (round.state = 'settled' AND (round.payout_minor, round.credited_minor) <> (
        SELECT sum(draw.value_minor), coalesce(sum(draw.value_minor) FILTER (WHERE prize.kind = 'cash'), 0)
        FROM purchases_draw draw JOIN catalog_prize prize ON prize.id = draw.prize_id WHERE draw.round_id = round.id));

-- payout_is_written_down: a settled round with cash prizes has the credit that pays them
SELECT round.id::text FROM purchases_round round
WHERE round.credited_minor > 0 AND NOT EXISTS (
    SELECT FROM wallet_walletcall payout
    WHERE payout.round_id = round.id AND payout.reason = 'payout'
      AND payout.amount_minor = round.credited_minor AND payout.currency = round.currency);

-- payout_is_owed: a payout is asked for until it lands or people close it; no refusal ends it
SELECT round_id::text FROM wallet_walletcall WHERE reason = 'payout' AND state = 'refused';

-- won_items: every item prize is in the player's inventory, and nothing else is
SELECT coalesce(won.round_id, item.round_id)::text
FROM (SELECT draw.round_id, draw.reel_index, prize.item_id FROM purchases_draw draw
      JOIN catalog_prize prize ON prize.id = draw.prize_id WHERE prize.kind = 'item') won
FULL JOIN vault_inventoryitem item ON (item.round_id, item.reel_index, item.item_id) = (won.round_id, won.reel_index, won.item_id)
WHERE won.round_id IS NULL OR item.id IS NULL;

-- nonces_in_a_row: a seed pair's nonces are 0, 1, 2 … without a gap
SELECT pair.id::text FROM fairness_seedpair pair
LEFT JOIN (SELECT seed_pair_id, count(DISTINCT nonce) AS used, max(nonce) + 1 AS next FROM purchases_draw GROUP BY seed_pair_id) drawn
    ON drawn.seed_pair_id = pair.id
WHERE (pair.next_nonce, pair.next_nonce) IS DISTINCT FROM (coalesce(drawn.used, 0), coalesce(drawn.next, 0));

-- told: every round that ended has exactly one event of its end
SELECT type || ' of operator ' || operator_id
FROM (
    SELECT operator_id, count(*) AS times, CASE state WHEN 'settled' THEN 'round_settled' WHEN 'voided' THEN 'round_voided'
        ELSE 'round_refunded' END AS type
    FROM purchases_round WHERE state IN ('settled', 'voided', 'refunded', 'expired') GROUP BY 1, 3
) ended
FULL JOIN (
    SELECT operator_id, type, count(*) AS times, count(DISTINCT subject) AS subjects FROM webhooks_event
    WHERE type IN ('round_settled', 'round_voided', 'round_refunded') GROUP BY 1, 2
) told USING (operator_id, type)
WHERE (ended.times, ended.times) IS DISTINCT FROM (told.times, told.subjects);

-- nothing_forgotten: what is unfinished is on its way to be taken up, and nothing waits far beyond its time
SELECT round.id::text FROM purchases_round round
WHERE (round.state = 'pending' AND round.recover_at IS NULL)
   OR (round.state = 'undoing' AND round.recover_at IS NULL AND NOT EXISTS (
        SELECT FROM wallet_walletcall refund
        WHERE refund.round_id = round.id AND refund.reason = 'refund' AND refund.next_attempt_at IS NOT NULL))
   OR round.recover_at < now() - interval '15 minutes'
   OR (round.locked_by IS NOT NULL AND NOT EXISTS (
        SELECT FROM wallet_walletcall lock WHERE lock.id = round.locked_by AND lock.next_attempt_at IS NOT NULL));

-- locked_items: an item is locked only by a call whose fate is not known yet
SELECT item.id::text FROM vault_inventoryitem item
WHERE item.locked_by IS NOT NULL AND NOT EXISTS (
    SELECT FROM wallet_walletcall lock WHERE lock.id = item.locked_by AND lock.next_attempt_at IS NOT NULL);

-- ledger_without_gap: an operator's movements are numbered 1, 2, 3 … without a gap
SELECT operator_id::text FROM wallet_walletcall WHERE ledger_sequence IS NOT NULL
GROUP BY operator_id HAVING (min(ledger_sequence), max(ledger_sequence)) <> (1, count(*));

-- ledger_complete: what has moved is numbered soon, and nothing else ever is
SELECT id::text FROM wallet_walletcall
WHERE (state = 'accepted' AND ledger_sequence IS NULL AND type IN ('wallet.debit', 'wallet.credit')
       AND last_attempt_at < now() - interval '15 minutes' AND resolved_at < now() - interval '15 minutes')
   OR (ledger_sequence IS NOT NULL AND (state <> 'accepted' OR type = 'wallet.rollback'));

-- no_long_transaction: no transaction has been open for more than five seconds
SELECT pid::text FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle in transaction'
  AND now() - xact_start > interval '5 seconds';
