/* Boxes that were bought and not opened yet. */

import { getPublic, postMoney } from "../api.js";
import { boxArt } from "../art.js";
import { announce, focusOn, h, once } from "../dom.js";
import { moment, money, n, t } from "../i18n.js";
import { open } from "../opening.js";
import { notice } from "../problems.js";
import { showBalance, state } from "../state.js";
import { snapshotPrizes } from "./box.js";
import { pagedList } from "./pages.js";

/** Return the vault. */
export async function render({ refresh }) {
  const stage = h("section", { class: "stage", "aria-label": t("Opening"), hidden: true });
  return {
    title: t("My vault"),
    content: [
      h("h1", {}, t("My vault")),
      h("p", { class: "lead" }, t("Boxes that you bought and have not opened yet. Price and odds stay as you bought them.")),
      stage,
      await pagedList({
        path: "vault", className: "rows", row: (round) => held(round, stage, refresh),
        empty: h("div", { class: "empty" }, h("p", {}, t("Your vault is empty. Buy a box now and open it when you feel like it.")),
          h("a", { class: "button", href: "#/" }, t("To the boxes"))),
      }),
    ],
  };
}

function held(round, stage, refresh) {
  const { box } = round.reels[0];
  const name = round.reels.length > 1 ? t("{name} × {count}", { name: box.name, count: round.reels.length }) : box.name;
  const free = round.funding === "operator";
  const problem = h("div", { class: "beneath" });
  const line = h("li", { class: "row" },
    h("div", { class: "picture small" }, boxArt(box)),
    h("div", { class: "about" },
      h("h2", {}, name),
      h("p", { class: "faint" }, free ? t("A present of the casino") : t("Paid {amount}", { amount: money(round.betMinor, round.currency) }), " · ", moment(round.purchasedAt)),
      round.expiresAt && h("p", { class: "faint" }, t("Given back to you if you have not opened it by {date}", { date: moment(round.expiresAt) }))),
    h("div", { class: "actions" },
      h("button", { class: "button", "aria-label": t("Open {name}", { name }), onclick: once(() => openHeld()) }, t("Open")),
      !free && state.session.policies.refundEnabled && h("button", {
        class: "button quiet", "aria-label": t("Give {name} back", { name }), onclick: () => confirmCancel(),
      }, t("Give back"))),
    problem);
  return line;

  async function openHeld() {
    const versions = [...new Set(round.reels.map(({ boxVersionId }) => boxVersionId))];
    try {
      const loaded = await Promise.all(versions.map((id) => getPublic(`/fairness/box-version/${id}/snapshot`)));
      const tables = new Map(loaded.map(({ boxVersionId, snapshot }) => [boxVersionId, snapshotPrizes(snapshot)]));
      await open({
        stage, refresh,
        boxes: round.reels.map((reel) => reel.box),
        tables: round.reels.map(({ boxVersionId }) => tables.get(boxVersionId)),
        wanted: { mode: "open", roundPublicId: round.publicId },
        done: () => line.remove(),
      });
    } catch (refusal) {
      problem.replaceChildren(notice(refusal, { again: openHeld }));
    }
  }

  function confirmCancel() {
    const amount = money(round.betMinor, round.currency);
    problem.replaceChildren(h("div", { class: "notice" },
      h("h2", {}, t("Give this box back for {amount}?", { amount })),
      h("div", { class: "actions" },
        h("button", { class: "button", onclick: once(cancel) }, t("Yes, give it back")),
        h("button", { class: "button quiet", onclick: () => problem.replaceChildren() }, t("No, keep it")))));
    focusOn(problem.querySelector("h2"));
  }

  async function cancel() {
    try {
      const { round: refunded, balanceAfterMinor } = await postMoney("rounds/cancel", { roundPublicId: round.publicId });
      showBalance(balanceAfterMinor);
      const text = t("{amount} paid back into your balance.", { amount: money(refunded.refundedMinor, refunded.currency) });
      line.replaceChildren(h("p", {}, text));
      announce(text);
    } catch (refusal) {
      problem.replaceChildren(notice(refusal, { again: cancel }));
      focusOn(problem.querySelector("h2"));
    }
  }
}
