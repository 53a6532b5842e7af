/* What the player won: keep, cash back, or have it sent. */

import { prizeArt } from "../art.js";
import { announce, h, once } from "../dom.js";
import { moment, money, n, t } from "../i18n.js";
import { cashBack } from "../opening.js";
import { notice } from "../problems.js";
import { state } from "../state.js";
import { orderForm } from "./shipping.js";
import { pagedList } from "./pages.js";

const PAST = "cashed_back,ship_requested,fulfilled,expired,forwarded_to_casino";

/** Return the player's items. */
export async function render({ go }) {
  const chosen = new Map();
  const parcel = h("div", { class: "parcel", hidden: true });
  const { policies } = state.session;
  const drawParcel = () => {
    parcel.hidden = chosen.size === 0;
    parcel.replaceChildren(
      h("p", { role: "status" }, n("{count} item chosen", "{count} items chosen", chosen.size)),
      h("button", { class: "button primary", onclick: () => parcel.replaceChildren(orderForm([...chosen.values()], () => go("/orders"), drawParcel)) }, t("Have it sent")));
  };
  const choose = (item, wanted) => {
    if (wanted) chosen.set(item.id, item);
    else chosen.delete(item.id);
    drawParcel();
  };
  return {
    title: t("My items"),
    content: [
      h("h1", {}, t("My items")),
      h("p", { class: "lead" }, policies.shippingEnabled
        ? t("All that you won is yours. Keep it here, cash it back, or tick what you want to have sent.")
        : t("All that you won is yours. Keep it here or cash it back.")),
      h("p", {}, h("a", { href: "#/orders" }, t("My orders"))),
      await pagedList({
        path: "inventory", className: "goods", row: (item) => waiting(item, choose),
        empty: h("div", { class: "empty" }, h("p", {}, t("Nothing waits for you here. What you win comes to this page.")),
          h("a", { class: "button", href: "#/" }, t("To the boxes"))),
      }),
      parcel,
      past(),
    ],
  };
}

function waiting(item, choose) {
  const place = h("div", { class: "choice" });
  const { policies } = state.session;
  const line = good(item, place);
  draw();
  return line;

  function draw() {
    place.replaceChildren(...[
      item.cashbackMinor !== null && policies.cashbackEnabled && h("button", {
        class: "button quiet", "aria-label": t("Cash back {name} for {amount}", { name: item.name, amount: money(item.cashbackMinor, item.currency) }),
        onclick: once(cash),
      }, t("Cash back {amount}", { amount: money(item.cashbackMinor, item.currency) })),
      item.shippable && policies.shippingEnabled && h("label", { class: "tick" },
        h("input", { type: "checkbox", "aria-label": t("Have {name} sent", { name: item.name }), onchange: ({ target }) => choose(item, target.checked) }), t("Have it sent")),
    ].filter(Boolean));
  }

  async function cash() {
    try {
      const text = t("{amount} paid into your balance.", { amount: await cashBack(item.id) });
      choose(item, false);
      place.replaceChildren(h("p", {}, text));
      announce(text);
    } catch (refusal) {
      place.replaceChildren(notice(refusal, { again: async () => { draw(); await cash(); }, refresh: draw }));
    }
  }
}

function good(item, ...more) {
  return h("li", { class: "good" },
    h("div", { class: "pedestal" }, prizeArt({ ...item, kind: "item" })),
    h("h2", {}, item.name),
    h("p", { class: "faint" }, t("Worth {amount}", { amount: money(item.valueMinor, item.currency) }), " · ", item.type === "digital" ? t("Digital") : t("To hold in your hands")),
    more);
}

function past() {
  const place = h("div", {});
  return h("details", { class: "past", ontoggle: async ({ target }) => {
    if (!target.open || place.hasChildNodes()) return;
    try {
      place.append(await pagedList({
        path: "inventory", query: { state: PAST }, className: "goods",
        row: (item) => good(item, h("p", { class: "tag" }, stateName(item.state)), h("p", { class: "faint" }, moment(item.createdAt))),
        empty: h("p", { class: "faint" }, t("Nothing yet.")),
      }));
    } catch (refusal) {
      place.append(notice(refusal));
    }
  } }, h("summary", {}, t("Items of the past")), place);
}

function stateName(itemState) {
  return {
    cashed_back: t("Cashed back"), ship_requested: t("Being sent"), fulfilled: t("Delivered"),
    expired: t("Expired"), forwarded_to_casino: t("At the casino"),
  }[itemState];
}
