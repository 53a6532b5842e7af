/* Messages between the app and the page that embeds it: only with an allowed origin, only with our own parent. */

const SCHEMAS = {
  authenticate: ({ launchToken }) => isText(launchToken, 200) && { launchToken },
  locale: ({ locale }) => isText(locale, 35) && { locale },
  currency: ({ currency }) => isText(currency, 16) && { currency },
  navigate: ({ boxId, path }) => (Number.isSafeInteger(boxId) && boxId > 0 ? { path: `/boxes/${boxId}` } : isText(path, 200) && { path }),
  theme: ({ tokens }) => isTexts(tokens) && { tokens },
};

let host = null;

/** Find out which page embeds us: the one that `parent` names, else the one that the browser names, if it is allowed to. */
export function meetHost(allowed, named) {
  if (window.parent === window) return;
  const candidates = [named, location.ancestorOrigins?.[0], originOf(document.referrer)];
  host = candidates.find((origin) => allowed.includes(origin)) ?? null;
}

/** Tell the host, if there is one. */
export function tell(type, payload = {}) {
  if (host) window.parent.postMessage({ source: "lootbox-solutions", type, ...payload }, host);
}

/** Call `obey[type](payload)` for every well-formed message of the host's. */
export function listen(obey) {
  window.addEventListener("message", ({ origin, source, data }) => {
    if (host === null || origin !== host || source !== window.parent) return;
    if (data?.source !== "host" || !Object.hasOwn(SCHEMAS, data.type)) return;
    const payload = SCHEMAS[data.type](data);
    if (payload) obey[data.type](payload);
  });
}

/** Keep the host told of how high the content is. */
export function reportHeight(element) {
  let told = 0;
  new ResizeObserver(() => {
    const height = Math.ceil(element.getBoundingClientRect().height);
    if (height !== told) tell("resize", { height: (told = height) });
  }).observe(element);
}

/** Return whether a page embeds us that we may talk to. */
export function hasHost() {
  return host !== null;
}

function originOf(address) {
  return URL.canParse(address) ? new URL(address).origin : null;
}

function isText(value, longest) {
  return typeof value === "string" && value.length > 0 && value.length <= longest;
}

function isTexts(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value) && Object.values(value).every((text) => isText(text, 100));
}
