/* What the app knows: the page's configuration, the session's bootstrap, the balance. One copy, in memory. */

import { get } from "./api.js";
import { tell } from "./host.js";

export const config = JSON.parse(document.getElementById("config").textContent);

/** `session` is the bootstrap of a player, `guest` that of somebody who has not signed in; one of them is null. */
export const state = { session: null, guest: null, balance: null, autoOpened: false };

const watchers = new Set();

/** Call `watcher` whenever the balance changes, or who plays. */
export function watch(watcher) {
  watchers.add(watcher);
}

/** Tell all watchers that something changed. */
export function changed() {
  watchers.forEach((watcher) => watcher());
}

/** Return the bootstrap, whoever looks. */
export function bootstrap() {
  return state.session ?? state.guest;
}

/** Return what the launch grants for this box: how many free opens, Infinity for any number. */
export function freeOpens(boxId) {
  const target = state.session?.game.target;
  if (target?.boxId !== boxId) return 0;
  return target.freeOpens ?? Infinity;
}

/** Count free opens that a round took. */
export function spendFreeOpens(round) {
  const target = state.session.game.target;
  if (round.funding === "operator" && target?.freeOpens) target.freeOpens = Math.max(0, target.freeOpens - round.reels.length);
}

/** Take over a session's bootstrap. */
export function enter(session) {
  state.session = session;
  state.guest = null;
  const { balanceMinor, balanceFetchedAt } = session.player;
  state.balance = { balanceMinor, balanceFetchedAt, currency: session.tenant.currency };
  changed();
}

/** Show a balance that the wallet told, and pass it on to the host. */
export function showBalance(balanceMinor, balanceFetchedAt = new Date().toISOString()) {
  if (balanceMinor === null || balanceMinor === undefined) return;
  const moved = state.balance?.balanceMinor !== balanceMinor;
  state.balance = { balanceMinor, balanceFetchedAt, currency: state.session.tenant.currency };
  if (moved) tell("wallet:balance-changed", state.balance);
  changed();
}

/** Ask the wallet; what it does not say now, the next heartbeat may. */
export async function refreshBalance() {
  try {
    const { balanceMinor, balanceFetchedAt } = await get("wallet/balance");
    showBalance(balanceMinor, balanceFetchedAt);
  } catch (refusal) {
    if (refusal.code !== "WALLET_UNAVAILABLE" && refusal.code !== "NO_ANSWER") throw refusal;
  }
}
