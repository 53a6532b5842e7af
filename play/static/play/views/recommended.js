/* The widget: a row of boxes for a casino's own pages. It opens nothing itself; it tells the host what was clicked. */

import { get } from "../api.js";
import { boxArt } from "../art.js";
import { h } from "../dom.js";
import { tell } from "../host.js";
import { money, t } from "../i18n.js";
import { config } from "../state.js";

/** Return the boxes with these ids that are on sale. */
export async function render({ boxIds, locale, currency }) {
  const asked = await Promise.allSettled(boxIds.map((boxId) => get("guest/bootstrap", { operator: config.operator, boxId, locale, currency })));
  const boxes = asked.flatMap(({ value }) => (value ? [value.game.target] : []));
  return {
    title: t("Recommended boxes"),
    content: [h("ul", { class: "shelf row-shelf", role: "list", "aria-label": t("Recommended boxes") }, boxes.map(card))],
  };
}

function card({ boxId, name, priceMinor, currency, image }) {
  return h("li", { class: "card" },
    h("div", { class: "picture" }, boxArt({ boxId, image })),
    h("h2", {}, h("button", { class: "name", onclick: () => tell("box:card-clicked", { boxId }) }, name)),
    h("p", { class: "price" }, money(priceMinor, currency)),
    h("button", { class: "button", "aria-label": t("Buy {name} now", { name }), onclick: () => tell("box:card-purchase", { boxId }) }, t("Buy now")));
}
