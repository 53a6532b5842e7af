/* Opening boxes: ask the server first, then let the reel land on what it drew, then say what was won. */

import { newActionId, postMoney } from "./api.js";
import { boxArt, prizeArt, rarity } from "./art.js";
import { announce, focusOn, h, once } from "./dom.js";
import { tell } from "./host.js";
import { money, n, percent, t } from "./i18n.js";
import { notice } from "./problems.js";
import { cheer, rowOf, spin } from "./reel.js";
import { refreshBalance, showBalance, spendFreeOpens, state } from "./state.js";

/**
 * Open boxes on a stage. `wanted` is the request without its clientActionId, `tables` the prize table of each reel.
 * `refresh` is what a notice's button does when the box has changed; `done` is called when the round has been shown, `idle`
 * with whether the stage waits for the player (true) or for the server and the reel (false).
 */
export async function open({ stage, boxes, wanted, tables, refresh, done = () => {}, idle = () => {} }) {
  await attempt({ ...wanted, clientActionId: newActionId() });

  async function attempt(request) {
    idle(false);
    stage.hidden = false;
    stage.replaceChildren(waiting(boxes));
    focusOn(stage);
    announce(t("Opening …"));
    let answer;
    try {
      answer = await postMoney("rounds/open", request);
    } catch (refusal) {
      refused(refusal, request);
      return;
    }
    const { round } = answer;
    spendFreeOpens(round);
    await spin(stage, round.reels.map(({ prize }) => prize), tables);
    showBalance(answer.balanceAfterMinor);
    done(round);
    idle(true);
    stage.replaceChildren(...result(round, tables));
    const rare = round.reels.some(({ prize }, index) => rowOf(prize, tables[index]).odds < 0.05);
    if (rare || round.payoutMinor > round.betMinor) cheer(stage);
    focusOn(stage.querySelector("h2"));
  }

  function refused(refusal, request) {
    if (refusal.code === "INSUFFICIENT_FUNDS") tellShortage(request, refusal, boxes[0]);
    idle(true);
    stage.replaceChildren(notice(refusal, { again: () => attempt(request), refresh }));
    focusOn(stage.querySelector("h2"));
  }
}

/** Tell the host that the player lacks funds, and show what the wallet says there is. */
export function tellShortage(request, refusal, box) {
  showBalance(refusal.balanceAfterMinor);
  const { balance } = state;
  tell("play:insufficient-balance", {
    boxId: box.boxId, priceMinor: request.expectedBetMinor ?? null, balanceMinor: balance.balanceMinor, currency: balance.currency,
  });
}

function waiting(boxes) {
  return h("div", { class: "waiting" },
    h("div", { class: "shaking", "aria-hidden": "true" }, boxes.slice(0, 3).map(boxArt)),
    h("p", {}, t("Opening …")));
}

function result(round, tables) {
  const items = [...round.wonItems];
  const cards = round.reels.map(({ prize }, index) => {
    const place = items.findIndex(({ itemId }) => prize.kind === "item" && itemId === prize.itemId);
    const [item] = place < 0 ? [] : items.splice(place, 1);
    return winning(rowOf(prize, tables[index]), round.currency, item);
  });
  const only = round.reels.length === 1 && rowOf(round.reels[0].prize, tables[0]);
  return [
    h("h2", { class: "won" }, only
      ? t("You won {prize}", { prize: only.name })
      : n("You won {count} prize", "You won {count} prizes", round.reels.length)),
    !only && h("p", { class: "worth" }, t("Worth {amount}", { amount: money(round.payoutMinor, round.currency) })),
    h("ul", { class: only ? "winnings" : "winnings many", role: "list" }, cards),
    h("p", { class: "faint" }, h("a", { href: "#/items" }, t("My items")), " · ", h("a", { href: "#/fairness" }, t("How to check this draw"))),
  ].filter(Boolean);
}

function winning(row, currency, item) {
  const choice = h("div", { class: "choice" });
  const told = { cash: t("Paid into your balance."), bonus: t("The casino credits your bonus.") }[row.kind];
  if (told) choice.append(h("p", {}, told));
  if (item) offer(choice, { ...item, name: row.name });
  return h("li", { class: `winning ${rarity(row.odds)}` },
    h("div", { class: "pedestal" }, prizeArt(row)),
    h("span", { class: "rarity" }, rarityName(row.odds), " · ", percent(row.odds)),
    h("strong", {}, row.name),
    h("span", { class: "faint" }, money(row.valueMinor, currency)),
    choice);
}

function offer(choice, { inventoryItemId, name, cashbackMinor, currency, state: itemState }) {
  const kept = () => choice.replaceChildren(h("p", {}, t("Kept in your items.")));
  if (itemState !== "unresolved" || cashbackMinor === null || !state.session.policies.cashbackEnabled) {
    kept();
    return;
  }
  const amount = money(cashbackMinor, currency);
  choice.replaceChildren(
    h("button", { class: "button quiet", "aria-label": t("Keep {name}", { name }), onclick: () => { kept(); announce(t("Kept in your items.")); } }, t("Keep")),
    h("button", {
      class: "button quiet", "aria-label": t("Cash back {name} for {amount}", { name, amount }),
      onclick: once(async () => {
        try {
          const credited = await cashBack(inventoryItemId);
          choice.replaceChildren(h("p", {}, t("{amount} paid into your balance.", { amount: credited })));
          announce(t("{amount} paid into your balance.", { amount: credited }));
        } catch (refusal) {
          choice.replaceChildren(notice(refusal, { again: () => offer(choice, { inventoryItemId, name, cashbackMinor, currency, state: itemState }) }));
        }
      }),
    }, t("Cash back {amount}", { amount })));
}

/** Cash an item back in the session's currency and return what was credited, as money. Throws Refusal. */
export async function cashBack(inventoryItemId) {
  const { item, balanceAfterMinor } = await postMoney(`inventory/${inventoryItemId}/cashback`, { currency: state.session.tenant.currency });
  if (balanceAfterMinor === null || item.currency !== state.session.tenant.currency) await refreshBalance();
  else showBalance(balanceAfterMinor);
  return money(item.cashbackMinor, item.currency);
}

/** Return a prize's rarity in the player's language. */
export function rarityName(odds) {
  return { common: t("Common"), uncommon: t("Uncommon"), rare: t("Rare"), epic: t("Epic"), legendary: t("Legendary") }[rarity(odds)];
}
