/* Parcels: ordered, on their way, delivered. */

import { h } from "../dom.js";
import { country, moment, money, t } from "../i18n.js";
import { pagedList } from "./pages.js";

/** Return the player's orders. */
export async function render() {
  return {
    title: t("My orders"),
    content: [
      h("h1", {}, t("My orders")),
      h("p", {}, h("a", { href: "#/items" }, t("Back to my items"))),
      await pagedList({
        path: "shipping/orders", className: "rows", row: order,
        empty: h("p", { class: "empty" }, t("You have not ordered anything yet.")),
      }),
    ],
  };
}

function order({ status, items, address, createdAt, shippingCostMinor, currency, carrier, trackingNumber, publicId }) {
  return h("li", { class: "row" },
    h("div", { class: "about" },
      h("h2", {}, items.map(({ name }) => name).join(", ")),
      h("p", {}, h("span", { class: `tag ${status}` }, statusName(status)), " ",
        carrier && t("{carrier}, tracking number {number}", { carrier, number: trackingNumber })),
      h("p", { class: "faint" }, [address.name, address.line1, address.line2, `${address.postalCode} ${address.city}`, country(address.country)].filter(Boolean).join(", ")),
      h("p", { class: "faint" }, moment(createdAt), " · ", shippingCostMinor > 0
        ? t("Shipping {amount}", { amount: money(shippingCostMinor, currency) })
        : t("Free shipping"), " · ", h("code", {}, publicId))));
}

function statusName(status) {
  return {
    pending: t("Ordered"), processing: t("Being packed"), shipped: t("On its way"), delivered: t("Delivered"),
    cancelled: t("Cancelled; your items are back"),
  }[status];
}
