/* The game app: boots from a launch token or as a guest, shows one view at a time, and obeys the page that embeds it. */

import { get, post, Refusal, useToken } from "./api.js";
import { announce, focusOn, h, s } from "./dom.js";
import { hasHost, listen, meetHost, reportHeight, tell } from "./host.js";
import { languageName, money, speak, t } from "./i18n.js";
import { notice } from "./problems.js";
import { bootstrap, changed, config, enter, showBalance, state, watch } from "./state.js";
import { applyTheme, watchScheme } from "./theme.js";
import * as box from "./views/box.js";
import * as fairness from "./views/fairness.js";
import * as history from "./views/history.js";
import * as items from "./views/items.js";
import * as lobby from "./views/lobby.js";
import * as orders from "./views/orders.js";
import * as recommended from "./views/recommended.js";
import * as vault from "./views/vault.js";

const HEARTBEAT_MS = 60_000;
const SLOW_MS = 180;
const ROUTES = [
  [/^\/$/, lobby], [/^\/boxes\/([1-9][0-9]{0,15})$/, box], [/^\/vault$/, vault], [/^\/items$/, items],
  [/^\/orders$/, orders], [/^\/history$/, history], [/^\/fairness$/, fairness],
];
const TABS = [
  ["/", () => t("Boxes"), "M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8"],
  ["/vault", () => t("Vault"), "M4 5h16v14H4zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM7 19v2M17 19v2"],
  ["/items", () => t("Items"), "M12 3l2.6 5.6 6.1.7-4.5 4.2 1.2 6L12 16.5 6.6 19.5l1.2-6L3.3 9.3l6.1-.7z"],
  ["/history", () => t("History"), "M4 12a8 8 0 1 0 2.5-5.8L4 8M4 3v5h5M12 8v4l3 2"],
  ["/fairness", () => t("Fairness"), "M12 3l7 3v5c0 5-3 8-7 10-4-2-7-5-7-10V6zM9 12l2 2 4-4"],
];

const app = document.getElementById("app");
const main = document.getElementById("main");
const asked = new URLSearchParams(location.search);
const launchToken = asked.get("token");
const widgetBoxes = (asked.get("boxIds") ?? "").split(",").filter((id) => /^[1-9][0-9]{0,15}$/.test(id)).slice(0, 24).map(Number);
const guestBox = Number(asked.get("boxId")) || null;
let visits = 0;
let lastBeat = Date.now();

meetHost(config.origins, asked.get("parent"));
forgetToken();
watchScheme();
applyTheme();
await speak(config.locale);
watch(drawHeader);
listen({
  authenticate: signIn,
  locale: ({ locale }) => change("locale", locale),
  currency: ({ currency }) => change("currency", currency),
  navigate: ({ path }) => go(path),
  theme: ({ tokens }) => applyTheme(tokens),
});
window.addEventListener("hashchange", show);
document.addEventListener("visibilitychange", beat);
setInterval(beat, HEARTBEAT_MS / 4);
await boot();
reportHeight(app);
tell("ready");

/* The token works once and for a minute; even so it must not stay in the address, the history or a screenshot. */
function forgetToken() {
  asked.delete("token");
  asked.set("operator", config.operator);
  window.history.replaceState(null, "", `${location.pathname}?${asked}${location.hash}`);
}

async function boot() {
  try {
    if (launchToken) {
      await begin(launchToken);
      const target = state.session.game.target;
      if (target && !location.hash) window.history.replaceState(null, "", `#/boxes/${target.boxId}`);
    } else if (widgetBoxes.length === 0) {
      await lookAround();
      if (guestBox && !location.hash) window.history.replaceState(null, "", `#/boxes/${guestBox}`);
    }
    drawHeader();
    await show();
  } catch (refusal) {
    main.replaceChildren(trouble(refusal));
  }
}

async function begin(token) {
  const session = await post("session/init", { launchToken: token });
  useToken(session.sessionToken);
  await adopt(session);
}

/* Take over a bootstrap, a new one or one in another language or currency. */
async function adopt(session) {
  await speak(session.tenant.locale);
  enter(session);
}

async function lookAround(changes = {}) {
  const wanted = { operator: config.operator, boxId: guestBox, locale: asked.get("locale"), currency: asked.get("currency"), ...changes };
  const guest = await get("guest/bootstrap", wanted);
  await speak(guest.tenant.locale);
  state.guest = guest;
  changed();
}

async function signIn({ launchToken: token }) {
  try {
    await begin(token);
    tell("session:authenticated", { playerExternalId: state.session.player.externalId });
    await show();
    announce(t("You are signed in."));
  } catch (refusal) {
    main.prepend(trouble(refusal));
  }
}

async function change(name, value) {
  asked.set(name, value);
  try {
    if (state.session) await adopt(await post(`session/${name}`, { [name]: value }));
    else if (state.guest) await lookAround({ [name]: value });
    else await speak(asked.get("locale") ?? config.locale);
    await show();
  } catch (refusal) {
    main.prepend(trouble(refusal));
  }
}

function go(path) {
  location.hash = `#${path}`;
}

/* Show what the address asks for. */
async function show() {
  const visit = ++visits;
  const path = location.hash.slice(1) || "/";
  const slow = setTimeout(() => main.setAttribute("aria-busy", "true"), SLOW_MS);
  const page = await load(path);
  clearTimeout(slow);
  if (visit !== visits) return;
  main.removeAttribute("aria-busy");
  main.replaceChildren(...page.content.filter(Boolean));
  document.title = `${page.title} · ${config.name}`;
  markTab(path);
  if (visit > 1) {
    const heading = main.querySelector("h1, h2");
    if (heading) focusOn(heading);
  }
  tell("navigation:changed", { path, query: {} });
  if (page.shown) page.shown();
}

async function load(path) {
  if (widgetBoxes.length > 0) return recommended.render({ boxIds: widgetBoxes, locale: asked.get("locale"), currency: asked.get("currency") });
  const [[pattern, view] = []] = ROUTES.filter(([route]) => route.test(path));
  try {
    if (!view || (!state.session && view !== box)) return welcome();
    return await view.render({ boxId: Number(pattern.exec(path)[1]), refresh: show, go });
  } catch (refusal) {
    return { title: t("That did not work"), content: [trouble(refusal)] };
  }
}

function welcome() {
  return {
    title: config.name,
    content: [h("div", { class: "empty" },
      h("h1", {}, state.session ? t("There is nothing here") : t("Welcome to {name}", { name: config.name })),
      h("p", {}, state.session ? t("Pick a box in the lobby.") : t("Open the game from the casino to play.")),
      state.session ? h("a", { class: "button", href: "#/" }, t("To the boxes")) : signInButton())],
  };
}

function trouble(refusal) {
  if (!(refusal instanceof Refusal) && !refusal.code) throw refusal;
  return notice(refusal, { again: boot, refresh: () => go("/") });
}

function signInButton() {
  return hasHost() && h("button", { class: "button primary", onclick: () => tell("play:auth-required", { boxId: guestBox, priceMinor: null, currency: null }) }, t("Sign in"));
}

function drawHeader() {
  const { session, balance } = state;
  document.body.classList.toggle("widget", widgetBoxes.length > 0);
  document.getElementById("balance").hidden = typeof balance?.balanceMinor !== "number";
  if (typeof balance?.balanceMinor === "number") document.querySelector("#balance strong").textContent = money(balance.balanceMinor, balance.currency);
  document.querySelector("#balance span").textContent = t("Balance");
  const nav = document.getElementById("tabs");
  nav.hidden = !session;
  nav.setAttribute("aria-label", t("Game"));
  nav.replaceChildren(...TABS.map(([path, text, drawing]) => h("a", { href: `#${path}` }, icon(drawing), h("span", {}, text()))));
  markTab(location.hash.slice(1) || "/");
  drawFooter();
}

function drawFooter() {
  const tenant = bootstrap()?.tenant;
  document.getElementById("foot").replaceChildren(...[
    choice(t("Language"), config.locales, tenant?.locale, languageName, (locale) => change("locale", locale)),
    choice(t("Currency"), config.currencies, tenant?.currency, (code) => code, (currency) => change("currency", currency)),
    config.returnUrl && h("a", { href: config.returnUrl, target: "_top" }, t("Back to the casino")),
  ].filter(Boolean));
}

function choice(label, values = [], current, name, pick) {
  return current !== undefined && values.length > 1 && h("label", {}, h("span", {}, label),
    h("select", { onchange: ({ target }) => pick(target.value) }, values.map((value) => h("option", { value, selected: value === current }, name(value)))));
}

function icon(drawing) {
  return s("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, s("path", { d: drawing }));
}

function markTab(path) {
  for (const link of document.querySelectorAll("#tabs a")) {
    const own = link.getAttribute("href").slice(1);
    const current = own === path || (own === "/" && path.startsWith("/boxes/")) || (own === "/items" && path === "/orders");
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/* Only a page that is looked at keeps its session alive. */
async function beat() {
  if (!state.session || document.visibilityState !== "visible" || Date.now() - lastBeat < HEARTBEAT_MS) return;
  lastBeat = Date.now();
  try {
    const { balanceMinor, balanceFetchedAt } = await post("session/heartbeat");
    showBalance(balanceMinor, balanceFetchedAt);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    if (refusal.status === 401) {
      state.session = null;
      main.replaceChildren(trouble(refusal));
    }
  }
}
