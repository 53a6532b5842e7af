/* Refusals in plain words, each with what to do next. */

import { h, once } from "./dom.js";
import { tell } from "./host.js";
import { t } from "./i18n.js";
import { config, state } from "./state.js";

/* After these the box, or its price, is another one than was shown. */
const STALE = new Set(["BOX_NOT_PLAYABLE", "FX_RATE_MOVED", "VALIDATION_FAILED", "ROUND_NOT_HELD", "WALLET_UNAVAILABLE", "CASHBACK_NOT_AVAILABLE", "UNKNOWN_BOX"]);

/** Return title and text for a refusal; what only the wallet knows the code of is told as it came. */
export function explain({ code, message, moneyMoved, mayRepeat, fields }) {
  const known = {
    NO_ANSWER: [t("No answer yet"), t("The connection was interrupted. Try again: no money moves twice.")],
    WALLET_UNAVAILABLE: mayRepeat
      ? [t("The casino's wallet did not answer"), t("Try again: no money moves twice, however often you try.")]
      : [t("This purchase was undone"), t("The casino's wallet did not answer in time. Nothing stays charged; you can open a box again.")],
    ACTION_IN_PROGRESS: [t("Still working on it"), t("Your last click is being handled. Try again in a moment: no money moves twice.")],
    RATE_LIMITED: [t("A little too fast"), t("Wait a moment, then try again.")],
    INTERNAL_ERROR: [t("Something went wrong on our side"), t("Try again: no money moves twice.")],
    SERVICE_UNAVAILABLE: [t("Something went wrong on our side"), t("Try again: no money moves twice.")],
    INSUFFICIENT_FUNDS: [t("Your balance is too low"), t("Nothing was charged. Top up at the casino, then open the box again.")],
    PLAYER_BLOCKED: [t("Playing is paused for you"), t("A limit of yours or of the casino's applies. Nothing was charged. Ask the casino's support if you have questions.")],
    BOX_NOT_PLAYABLE: [t("This box has changed"), t("A new version is out, with new odds or a new price. Nothing was charged. Look at it again before you open it.")],
    UNKNOWN_BOX: [t("This box is not on offer"), t("Pick another one in the lobby.")],
    FX_RATE_MOVED: [t("The price has changed"), t("The exchange rate moved. Nothing was charged. Look at the new price before you open the box.")],
    VALIDATION_FAILED: fields?.expectedBetMinor && [t("The price has changed"), t("Nothing was charged. Look at the new price before you open the box.")],
    ROUND_NOT_HELD: [t("This box is open already"), t("You find what was in it in your items and in your history.")],
    ROUND_NOT_REFUNDABLE: [t("This box can't be given back"), t("It was opened already, or it was free.")],
    REFUND_NOT_ALLOWED: [t("This box can't be given back"), t("The casino does not take boxes back.")],
    CASHBACK_NOT_AVAILABLE: [t("This item can't be cashed back"), t("It may have been cashed back or ordered before.")],
    INVENTORY_NOT_SHIPPABLE: [t("One of the items can't be shipped"), t("No order was made. Go back to your items and choose again.")],
    SHIPPING_DISABLED: [t("Shipping is switched off"), t("The casino does not ship items at the moment.")],
    INVALID_CLIENT_SEED: [t("This seed can't be used"), t("Use 1 to 64 letters without accents, digits, underscores and hyphens.")],
    SESSION_EXPIRED: sessionOver(),
    SESSION_INVALID: sessionOver(),
    LAUNCH_TOKEN_INVALID: launchOver(),
    LAUNCH_TOKEN_EXPIRED: launchOver(),
    LAUNCH_TOKEN_CONSUMED: launchOver(),
    TENANT_SUSPENDED: [t("The game is taking a break"), t("It can't be played at the moment. Please come back later.")],
    NOT_FOUND: [t("There is nothing here"), t("Pick a box in the lobby.")],
  }[code];
  if (known) return { title: known[0], text: known[1] };
  const charged = moneyMoved === "none" ? t("Nothing was charged.") : "";
  return { title: t("That did not work"), text: [message, charged].filter(Boolean).join(" ") };
}

/** Return a notice about a refusal, with a button where trying again helps. */
export function notice(refusal, { again = null, refresh = null } = {}) {
  const { title, text } = explain(refusal);
  const sessionOver = refusal.status === 401;
  if (sessionOver) askToSignIn();
  return h("div", { class: "notice", role: "alert" },
    h("h2", {}, title),
    h("p", {}, text),
    refusal.requestId && refusal.status >= 500 && h("p", { class: "faint" }, t("Reference: {id}", { id: refusal.requestId })),
    h("div", { class: "actions" },
      !sessionOver && refusal.mayRepeat && again && h("button", { class: "button", onclick: once(again) }, t("Try again")),
      !sessionOver && !refusal.mayRepeat && refresh && STALE.has(refusal.code) && h("button", { class: "button", onclick: once(refresh) }, t("Look again")),
      sessionOver && config.returnUrl && h("a", { class: "button", href: config.returnUrl, target: "_top" }, t("Back to the casino"))));
}

/** Ask the host for a sign-in, for a box if one is looked at. */
export function askToSignIn({ boxId = null, priceMinor = null, currency = null } = {}) {
  tell("play:auth-required", { boxId: boxId ?? state.session?.game.target?.boxId ?? null, priceMinor, currency });
}

function sessionOver() {
  return [t("You have been away for a while"), t("For your safety the game was closed. Open it again from the casino; all that you won is kept.")];
}

function launchOver() {
  return [t("This link was used before"), t("A link opens the game once, within a minute. Open the game again from the casino.")];
}
