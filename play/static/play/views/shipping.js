/* Where a parcel goes to. */

import { newActionId, postMoney } from "../api.js";
import { COUNTRIES } from "../countries.js";
import { focusOn, h } from "../dom.js";
import { collate, country, n, t } from "../i18n.js";
import { explain, notice } from "../problems.js";
import { showBalance } from "../state.js";

const OPTIONAL = new Set(["line2", "phone"]);
const typed = {};

/** Return the form that orders items; `done` follows the order, `back` gives up. */
export function orderForm(items, done, back) {
  const trouble = h("div", {});
  const fields = {
    name: [t("Full name"), { autocomplete: "name", maxlength: 100 }],
    line1: [t("Street and number"), { autocomplete: "address-line1", maxlength: 190 }],
    line2: [t("Address, second line (optional)"), { autocomplete: "address-line2", maxlength: 190 }],
    postalCode: [t("Postal code"), { autocomplete: "postal-code", maxlength: 20 }],
    city: [t("City"), { autocomplete: "address-level2", maxlength: 100 }],
    region: [t("Region or state"), { autocomplete: "address-level1", maxlength: 100 }],
    country: [t("Country"), null],
    phone: [t("Phone (optional)"), { autocomplete: "tel", type: "tel", maxlength: 40 }],
    email: [t("E-mail for news about the parcel"), { autocomplete: "email", type: "email", maxlength: 254 }],
  };
  const inputs = Object.fromEntries(Object.entries(fields).map(([name, [, attributes]]) => [name, control(name, attributes)]));
  const send = h("button", { class: "button primary" }, t("Order"));
  const idempotencyKey = newActionId();
  return h("form", { class: "address", novalidate: true, onsubmit: submit },
    h("h2", {}, n("Where should {count} item go?", "Where should {count} items go?", items.length)),
    h("p", { class: "faint" }, items.map(({ name }) => name).join(", ")),
    Object.entries(fields).map(([name, [text]]) => h("div", { class: `field ${name}` }, h("label", { for: `order-${name}` }, text), inputs[name],
      h("span", { class: "error", id: `${name}-error` }))),
    h("p", { class: "faint" }, t("If the casino charges for shipping, the cost is taken from your balance when you order.")),
    trouble,
    h("div", { class: "actions" }, send, h("button", { class: "button quiet", type: "button", onclick: back }, t("Not now"))));

  async function submit(event) {
    event.preventDefault();
    if (send.getAttribute("aria-busy") === "true" || !check()) return;
    send.setAttribute("aria-busy", "true");
    const { email, ...address } = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value.trim()]));
    const given = Object.fromEntries(Object.entries(address).filter(([name, value]) => value || !OPTIONAL.has(name)));
    try {
      const answer = await postMoney("shipping/orders", {
        inventoryItemIds: items.map(({ id }) => id), address: given, contact: { email }, idempotencyKey,
      });
      showBalance(answer.balanceAfterMinor);
      done(answer.order);
    } catch (refusal) {
      const named = Object.entries(refusal.fields ?? {}).filter(([path]) => path.replace(/^(address|contact)\./, "") in inputs);
      if (named.length > 0) named.forEach(([path, text]) => complain(path.replace(/^(address|contact)\./, ""), text));
      else if (refusal.code === "VALIDATION_FAILED") trouble.replaceChildren(h("p", { class: "error", role: "alert" }, explain({ message: refusal.message }).text));
      else trouble.replaceChildren(notice(refusal, { again: () => { trouble.replaceChildren(); send.click(); } }));
      const wrong = Object.values(inputs).find((input) => input.getAttribute("aria-invalid") === "true");
      if (wrong) wrong.focus();
      else if (trouble.querySelector("h2")) focusOn(trouble.querySelector("h2"));
    } finally {
      send.removeAttribute("aria-busy");
    }
  }

  function check() {
    for (const [name, input] of Object.entries(inputs)) {
      input.removeAttribute("aria-invalid");
      document.getElementById(`${name}-error`).textContent = "";
      typed[name] = input.value;
      if (!OPTIONAL.has(name) && !input.value.trim()) complain(name, t("Please fill this in."));
      else if (!input.validity.valid) complain(name, t("This does not look like an e-mail address."));
    }
    const wrong = Object.values(inputs).find((input) => input.getAttribute("aria-invalid") === "true");
    wrong?.focus();
    return !wrong;
  }

  function complain(name, text) {
    inputs[name].setAttribute("aria-invalid", "true");
    document.getElementById(`${name}-error`).textContent = text;
  }
}

function control(name, attributes) {
  const common = { id: `order-${name}`, name, required: !OPTIONAL.has(name), "aria-describedby": `${name}-error` };
  if (attributes) return h("input", { type: "text", value: typed[name] ?? "", ...common, ...attributes });
  const names = COUNTRIES.map((code) => [code, country(code)]).sort(([, one], [, other]) => collate(one, other));
  return h("select", { ...common, autocomplete: "country" },
    h("option", { value: "" }, t("Choose a country")),
    names.map(([code, text]) => h("option", { value: code, selected: typed[name] === code }, text)));
}
