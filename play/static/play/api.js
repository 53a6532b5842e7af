/* The player API. The session's token lives in this module's memory and nowhere else. */

const WAIT_MS = 1_500;
const TIMEOUT_MS = 20_000;

let token = null;

/** A refusal, or no answer at all (`code` is then NO_ANSWER). `mayRepeat`: the same request can be sent again and acts once. */
export class Refusal extends Error {
  constructor({ status = 0, code = "NO_ANSWER", message = "", retryable = true, retryAfter = null, ...rest }) {
    super(message || code);
    Object.assign(this, { status, code, mayRepeat: retryable, retryAfter, ...rest });
  }
}

/** Play with a session from now on; null for none. */
export function useToken(sessionToken) {
  token = sessionToken;
}

/** Return the JSON at an address below /api/play/. Throws Refusal. */
export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given).toString();
  return call("GET", text ? `${path}?${text}` : path);
}

/** Post once. Throws Refusal. */
export function post(path, body = {}) {
  return call("POST", path, body);
}

/** Post what may move money: an answer that got lost is asked for once more, with the same ids, so nothing is paid twice. */
export async function postMoney(path, body) {
  try {
    return await post(path, body);
  } catch (refusal) {
    if (!(refusal instanceof Refusal) || !refusal.mayRepeat) throw refusal;
    await new Promise((resolve) => setTimeout(resolve, refusal.retryAfter ? refusal.retryAfter * 1_000 : WAIT_MS));
    return post(path, body);
  }
}

/** Return public JSON from outside the player API, such as a box version's snapshot. Throws Refusal. */
export function getPublic(address) {
  return request(address, { headers: { Accept: "application/json" } });
}

function call(method, path, body) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  return request(`/api/play/${path}`, { method, headers, body: body && JSON.stringify(body) });
}

async function request(address, options) {
  let answer, content;
  try {
    answer = await fetch(address, { ...options, credentials: "omit", cache: "no-cache", signal: AbortSignal.timeout(TIMEOUT_MS) });
    content = answer.status === 204 ? {} : await answer.json();
  } catch (cause) {
    throw new Refusal({ message: String(cause) });
  }
  if (answer.ok) return content;
  const { error = {}, ...beside } = content;
  const retryAfter = Number(answer.headers.get("Retry-After")) || null;
  throw new Refusal({ status: answer.status, ...error, ...beside, retryAfter });
}

/** Return an id for one action of the player's; randomUUID exists on https alone. */
export function newActionId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
