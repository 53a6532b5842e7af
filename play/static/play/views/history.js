/* All rounds, newest first. */

import { boxArt } from "../art.js";
import { h } from "../dom.js";
import { moment, money, t } from "../i18n.js";
import { pagedList } from "./pages.js";

/** Return the player's history. */
export async function render() {
  return {
    title: t("History"),
    content: [
      h("h1", {}, t("History")),
      await pagedList({
        path: "rounds", className: "rows", row: round,
        empty: h("div", { class: "empty" }, h("p", {}, t("You have not opened a box yet.")), h("a", { class: "button", href: "#/" }, t("To the boxes"))),
      }),
    ],
  };
}

function round({ publicId, status, funding, betMinor, payoutMinor, currency, purchasedAt, reels }) {
  const { box } = reels[0];
  const won = reels.flatMap(({ prize }) => (prize ? [prize.name] : []));
  return h("li", { class: "row" },
    h("div", { class: "picture small" }, boxArt(box)),
    h("div", { class: "about" },
      h("h2", {}, reels.length > 1 ? t("{name} × {count}", { name: box.name, count: reels.length }) : box.name),
      won.length > 0 ? h("p", {}, won.join(", ")) : h("p", {}, h("span", { class: `tag ${status}` }, statusName(status))),
      h("p", { class: "faint" }, moment(purchasedAt), " · ",
        status === "settled" ? h("a", { href: `/fairness/rounds/${publicId}`, target: "_blank", rel: "noopener" }, t("Check this draw")) : h("code", {}, publicId))),
    h("dl", { class: "sums" },
      h("div", {}, h("dt", {}, t("Paid")), h("dd", {}, funding === "operator" ? t("Free") : money(status === "voided" ? 0 : betMinor, currency))),
      payoutMinor !== undefined && payoutMinor !== null && h("div", {}, h("dt", {}, t("Won")), h("dd", {}, money(payoutMinor, currency)))));
}

function statusName(status) {
  return {
    held: t("In your vault"), pending: t("Waiting for the casino's wallet"), voided: t("Not charged"),
    refunded: t("Given back"), expired: t("Expired and paid back"),
  }[status];
}
