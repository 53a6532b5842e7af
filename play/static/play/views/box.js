/* One box: what it costs, what is in it with which odds, and one button. */

import { get, getPublic, newActionId, postMoney } from "../api.js";
import { boxArt, prizeArt, rarity } from "../art.js";
import { focusOn, h, once } from "../dom.js";
import { money, n, number, percent, t } from "../i18n.js";
import { open, rarityName, tellShortage } from "../opening.js";
import { askToSignIn, notice } from "../problems.js";
import { freeOpens, showBalance, state } from "../state.js";

const BEAT_MS = 900;

/** Return the page of a box. */
export async function render({ boxId, refresh }) {
  const box = state.session ? await sessionBox(boxId) : await guestBox(boxId);
  const stage = h("section", { class: "stage", "aria-label": t("Opening"), tabindex: -1, hidden: true });
  const offer = h("div", { class: "offer" });
  const article = h("article", { class: "box" },
    h("div", { class: "picture hero" }, boxArt(box)),
    h("div", { class: "facts" },
      box.customAttributes?.is_new === true && h("span", { class: "badge" }, t("New")),
      h("h1", {}, box.name),
      h("p", { class: "price" }, money(box.priceMinor, box.currency))),
    stage, offer);
  const page = { box, article, stage, offer, reels: 1, busy: false, refresh };
  drawOffer(page);
  const autoOpens = state.session?.game.target?.boxId === box.boxId && state.session.game.target.autoOpen && !state.autoOpened;
  return {
    title: box.name,
    boxId: box.boxId,
    content: [
      article,
      prizeTable(box),
    ],
    shown: autoOpens && (() => {
      state.autoOpened = true;
      setTimeout(() => openNow(page), BEAT_MS);
    }),
  };
}

async function sessionBox(boxId) {
  const [{ box }, { boxes }] = await Promise.all([get(`boxes/${boxId}`), get("boxes", { ids: boxId })]);
  return { ...box, image: boxes[0]?.image };
}

/* A guest has no session that could ask for the box, but its frozen version is public. */
async function guestBox(boxId) {
  const { target } = state.guest.game;
  if (target?.boxId !== boxId) throw Object.assign(new Error(), { code: "NOT_FOUND" });
  const { snapshot } = await getPublic(`/fairness/box-version/${target.boxVersionId}/snapshot`);
  const prizes = snapshotPrizes(snapshot);
  const worth = prizes.reduce((sum, { odds, valueMinor }) => sum + odds * valueMinor, 0);
  return { ...target, prizes, houseEdgeBps: Math.round((1 - worth / snapshot.priceMinor) * 10_000) };
}

/** Return the prizes of a public snapshot as a box shows them. */
export function snapshotPrizes({ prizes, totalWeight, currency }) {
  return prizes.map((prize) => ({ ...prize, currency, odds: prize.weight / totalWeight }));
}

function drawOffer(page) {
  const { box, offer } = page;
  const free = freeOpens(box.boxId);
  const most = Math.max(1, Math.min(state.session?.game.maxReels ?? 1, free || Infinity));
  page.reels = Math.min(page.reels, most);
  offer.replaceChildren(...[
    free > 0 && h("p", { class: "gift" }, Number.isFinite(free)
      ? n("You have {count} free box, a present of the casino.", "You have {count} free boxes, a present of the casino.", free)
      : t("These boxes are free for you, a present of the casino.")),
    state.session && most > 1 && stepper(page, most),
    h("button", { class: "button primary big", onclick: once(() => (state.session ? openNow(page) : askToSignIn(box))) }, label(page, free)),
    state.session && free === 0 && h("button", { class: "button link", onclick: once(() => keepForLater(page)) }, t("Buy now, open later")),
    !state.session && h("p", { class: "faint" }, t("You see prices and odds as a guest. Sign in at the casino to open boxes.")),
    h("p", { class: "faint" }, t("House edge {edge}: on average {share} of the price comes back in prizes.", {
      edge: percent(box.houseEdgeBps / 10_000), share: percent(1 - box.houseEdgeBps / 10_000) })),
  ].filter(Boolean));
}

function label({ box, reels, opened }, free) {
  if (!state.session) return t("Sign in to open");
  if (free > 0) return reels === 1 ? t("Open your free box") : n("Open {count} free box", "Open {count} free boxes", reels);
  const amount = money(box.priceMinor * reels, box.currency);
  if (reels > 1) return t("Open {count} for {amount}", { count: reels, amount });
  return opened ? t("Open again for {amount}", { amount }) : t("Open for {amount}", { amount });
}

function stepper(page, most) {
  const step = (by, text, sign) => h("button", {
    class: "button quiet round", "aria-label": text, "aria-disabled": String(page.reels + by < 1 || page.reels + by > most),
    onclick: () => {
      page.reels = Math.min(most, Math.max(1, page.reels + by));
      drawOffer(page);
      page.offer.querySelector(`[aria-label="${CSS.escape(text)}"]`).focus();
    },
  }, sign);
  return h("div", { class: "stepper", role: "group", "aria-label": t("How many boxes") },
    step(-1, t("One box less"), "−"),
    h("output", { "aria-live": "polite" }, n("{count} box", "{count} boxes", page.reels)),
    step(1, t("One box more"), "+"));
}

async function openNow(page) {
  if (page.busy || !page.stage.isConnected) return;
  page.busy = true;
  page.article.classList.add("staged", "busy");
  const { box, stage, refresh, reels } = page;
  await open({
    stage, refresh, boxes: Array(reels).fill(box), tables: Array(reels).fill(box.prizes), wanted: order(page),
    done: () => { page.opened = true; },
    idle: (isIdle) => {
      page.busy = !isIdle;
      page.article.classList.toggle("busy", page.busy);
      drawOffer(page);
    },
  });
}

async function keepForLater(page) {
  await buy({ ...order(page), mode: "prepay", clientActionId: newActionId() });

  async function buy(request) {
    page.stage.hidden = false;
    page.article.classList.add("staged");
    try {
      const { round, balanceAfterMinor } = await postMoney("rounds/open", request);
      showBalance(balanceAfterMinor);
      page.stage.replaceChildren(
        h("h2", { class: "won" }, n("{count} box waits in your vault", "{count} boxes wait in your vault", round.reels.length)),
        h("p", { class: "faint" }, t("Price and odds stay as you bought them. Open it whenever you like.")),
        h("div", { class: "actions" }, h("a", { class: "button", href: "#/vault" }, t("To the vault"))));
    } catch (refusal) {
      if (refusal.code === "INSUFFICIENT_FUNDS") tellShortage(request, refusal, page.box);
      page.stage.replaceChildren(notice(refusal, { again: () => buy(request), refresh: page.refresh }));
    }
    focusOn(page.stage.querySelector("h2"));
  }
}

/* What was shown is sent along, so that nobody pays another price than the one on the button. */
function order({ box, reels }) {
  return {
    mode: "open",
    currency: box.currency,
    expectedBetMinor: box.priceMinor * reels,
    reels: Array.from({ length: reels }, (_, reelIndex) => ({ reelIndex, boxVersionId: box.boxVersionId })),
  };
}

/** Return the table of what is in a box, rarest first. */
export function prizeTable(box) {
  const rows = [...box.prizes].sort((one, other) => one.odds - other.odds);
  return h("section", { class: "inside" },
    h("h2", { id: "inside" }, t("What is inside")),
    h("table", { class: "prizes", "aria-labelledby": "inside" },
      h("thead", {}, h("tr", {},
        h("th", { scope: "col" }, t("Prize")), h("th", { scope: "col", class: "number" }, t("Worth")), h("th", { scope: "col", class: "number" }, t("Chance")))),
      h("tbody", {}, rows.map((prize) => h("tr", { class: rarity(prize.odds) },
        h("th", { scope: "row" }, h("div", { class: "named" }, h("span", { class: "thumb" }, prizeArt(prize)),
          h("span", {}, prize.name, h("small", { class: "rarity" }, kindName(prize.kind), " · ", rarityName(prize.odds))))),
        h("td", { class: "number" }, money(prize.valueMinor, prize.currency)),
        h("td", { class: "number" }, percent(prize.odds), h("small", { class: "faint" }, t("1 in {times}", { times: times(prize.odds) }))))))));
}

function times(odds) {
  const exact = 1 / odds;
  return number(exact < 10 ? Math.round(exact * 10) / 10 : Math.round(exact));
}

function kindName(kind) {
  return { item: t("Item"), cash: t("Cash"), bonus: t("Bonus") }[kind];
}
