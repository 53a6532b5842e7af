/*
 * Embeds the game in a page of the casino's: makes the iframe, checks every message's origin and source, sizes to the content.
 *
 *   import { LBS } from "https://acme.example.com/sdk/games-core.js";
 *   const games = LBS.mount("#games", { launchUrl, parentOrigin: location.origin });
 *   games.on("walletBalanceChanged", ({ balanceMinor, currency }) => …);
 *
 * `launchUrl` comes from your backend's POST /api/s2s/launches. Without it, `boxId` shows a box to a guest.
 */

const SOURCE = "lootbox-solutions";
const TYPES = [
  "ready", "wallet:balance-changed", "play:auth-required", "session:authenticated", "play:insufficient-balance",
  "navigation:changed", "box:card-clicked", "box:card-purchase", "resize",
];
const HIGHEST = 20_000;

/* The platform is where this file came from, unless the page says otherwise. */
const HOME = new URL(import.meta.url).origin;

/** What a page gets: `mount` for the game, `recommended` for a row of boxes. */
export const LBS = Object.freeze({ mount, recommended });
globalThis.LBS = LBS;

/**
 * Put the game into the element and return its handle. Options: `launchUrl`, or `boxId` for a guest; `operator` (the
 * platform's address for you, or your short name there), `parentOrigin`, `locale`, `currency`, `path` to begin at, `title`.
 */
function mount(target, options = {}) {
  const { launchUrl, boxId } = options;
  if (!launchUrl && !Number.isSafeInteger(boxId)) throw new TypeError("LBS.mount needs launchUrl, from your backend, or boxId for a guest.");
  const address = launchUrl ? new URL(launchUrl, location.href) : guestAddress(options, { boxId });
  return embed(target, address, options);
}

/** Put a row of boxes into the element and return its handle. Options: `boxIds`, and those of `mount` but `launchUrl`. */
function recommended(target, options = {}) {
  const { boxIds } = options;
  if (!Array.isArray(boxIds) || boxIds.length === 0) throw new TypeError("LBS.recommended needs boxIds, a list of box ids.");
  return embed(target, guestAddress(options, { boxIds: boxIds.join(",") }), { title: "Recommended boxes", minHeight: 0, ...options });
}

function guestAddress({ operator }, query) {
  const isAddress = /^https?:\/\//.test(operator ?? "");
  const address = new URL("/play", isAddress ? operator : HOME);
  if (operator && !isAddress) address.searchParams.set("operator", operator);
  for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
  return address;
}

function embed(target, address, { parentOrigin = location.origin, locale, currency, path, title = "Mystery boxes", minHeight = 480 }) {
  const place = typeof target === "string" ? document.querySelector(target) : target;
  if (!place) throw new TypeError(`LBS found no element ${target}.`);
  for (const [name, value] of Object.entries({ parent: parentOrigin, locale, currency })) {
    if (value) address.searchParams.set(name, value);
  }
  if (path) address.hash = path;

  const frame = document.createElement("iframe");
  Object.assign(frame, { src: address.href, title, allow: "clipboard-write", referrerPolicy: "strict-origin" });
  Object.assign(frame.style, { display: "block", width: "100%", height: `${minHeight}px`, border: "0" });
  const listeners = new Map(TYPES.map((type) => [type, new Set()]));
  const waiting = [];
  let isReady = false;

  window.addEventListener("message", hear);
  place.replaceChildren(frame);

  function hear({ origin, source, data }) {
    if (origin !== address.origin || source !== frame.contentWindow || data?.source !== SOURCE || !listeners.has(data.type)) return;
    const { source: _, type, ...payload } = data;
    if (type === "resize" && Number.isFinite(payload.height)) {
      frame.style.height = `${Math.min(Math.max(payload.height, minHeight), HIGHEST)}px`;
    }
    if (type === "ready") {
      isReady = true;
      waiting.splice(0).forEach(post);
    }
    for (const listener of listeners.get(type)) listener(payload);
  }

  function post(message) {
    if (isReady) frame.contentWindow.postMessage({ source: "host", ...message }, address.origin);
    else waiting.push(message);
  }

  const handle = {
    frame,
    /** Call `listener` with the payload of every such message, by its name on the wire or its short one; returns how to stop. */
    on(type, listener) {
      const heard = listeners.get(wireName(type));
      if (!heard) throw new TypeError(`There is no message ${type}. There are ${TYPES.join(", ")}.`);
      heard.add(listener);
      return () => heard.delete(listener);
    },
    setLocale(locale) { post({ type: "locale", locale }); },
    setCurrency(currency) { post({ type: "currency", currency }); },
    /** Go to `{boxId: 42}`, to `{path: "/vault"}`, or to a path. */
    navigate(where) { post({ type: "navigate", ...(typeof where === "string" ? { path: where } : where) }); },
    setTheme(tokens) { post({ type: "theme", tokens }); },
    /** Sign the guest in, in place, with a launch token (or a launch's address) that your backend has just made. */
    authenticate(launch) { post({ type: "authenticate", launchToken: tokenOf(launch) }); },
    /** Take the game out of the page. */
    unmount() {
      window.removeEventListener("message", hear);
      frame.remove();
    },
  };
  return Object.freeze(handle);
}

/* `play:auth-required` is also `authRequired`, `wallet:balance-changed` also `walletBalanceChanged`. */
function wireName(type) {
  return TYPES.find((known) => known === type || known.replace("play:", "").replace(/[:-](\w)/g, (_, letter) => letter.toUpperCase()) === type);
}

function tokenOf(launch) {
  const text = typeof launch === "string" ? launch : launch.launchToken;
  return text.startsWith("lt_") ? text : new URL(text).searchParams.get("token");
}
