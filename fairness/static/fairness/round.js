/* The page of one round: fetches what is public of it, verifies it here in the browser, and shows every step. */

import { verifyRound } from "./verify.js";

const CONCLUSIONS = {
  holds: "This round holds. It was drawn exactly as its seeds and prize tables say.",
  fails: "This round does not hold. What is marked below differs from what was recorded.",
  unrevealed: "The server seed of this round is still in use, so it is still secret. Change your seed in the game to have it revealed, then come back.",
  undrawn: "Nothing was drawn in this round yet, so there is nothing to verify.",
};
const ROWS_SHOWN = 200;

const page = document.getElementById("round");
const verdictLine = document.getElementById("verdict");
const steps = document.getElementById("steps");

try {
  if (!globalThis.crypto?.subtle) {
    throw new Error("This browser lends its cryptography to https addresses only. Open this page over https, or use the Python verifier below.");
  }
  const round = await fetchJSON(page.dataset.roundUrl);
  const result = await verifyRound(round, await fetchSnapshots(round));
  if (round.draws.length > 0) steps.append(seedSection(round, result.checks));
  steps.append(...result.reels.map((reel) => reelSection(round, reel)));
  conclude(result.verdict, CONCLUSIONS[result.verdict]);
} catch (error) {
  conclude("unknown", `This round could not be verified here. ${error.message}`);
}

function conclude(verdict, text) {
  verdictLine.dataset.verdict = verdict;
  verdictLine.textContent = text;
}

async function fetchJSON(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(`${address} answered with status ${answer.status}. Try again in a moment.`);
  return answer.json();
}

async function fetchSnapshots(round) {
  const versions = round.serverSeed === null ? [] : [...new Set(round.draws.map((draw) => draw.boxVersionId))];
  const loaded = await Promise.all(versions.map((version) => fetchJSON(snapshotAddress(version))));
  return Object.fromEntries(loaded.map(({ boxVersionId, snapshot }) => [boxVersionId, snapshot]));
}

function snapshotAddress(version) {
  return page.dataset.snapshotUrl.replace("/0/", `/${version}/`);
}

function seedSection(round, checks) {
  const facts = element("dl", { className: "facts" },
    ...fact("Hash of the server seed, shown before play", round.serverSeedHash),
    ...fact("Server seed", round.serverSeed ?? "still secret"),
    ...fact("Client seed", round.clientSeed),
    ...fact("Nonce: the rounds drawn before with these seeds", round.nonce));
  return section("The seeds", facts, ...checks.map(checkLine));
}

function reelSection(round, reel) {
  const heading = `Reel ${reel.reelIndex}, box version ${reel.boxVersionId}`;
  const [table, sum, roll, prize] = reel.checks;
  if (!roll) return section(heading, ...reel.checks.map(checkLine));
  return section(heading,
    checkLine(table),
    checkLine(sum),
    ...reel.attempts.map((attempt, index) => attemptFacts(attempt, index, reel)),
    checkLine(roll),
    checkLine(prize),
    prizeTable(reel),
    element("p", {}, element("a", { href: snapshotAddress(reel.boxVersionId) }, "This prize table as JSON")));
}

function attemptFacts({ message, mac, number, accepted }, index, { total, limit, roll }) {
  const conclusion = accepted
    ? `n mod W = n mod ${total} = ${roll}; n counts, because it is below ${limit}`
    : `n is not below ${limit}, so it is thrown away and the next attempt decides`;
  return element("dl", { className: "facts" },
    ...fact(index === 0 ? "Message" : `Message, attempt ${index}`, message),
    ...fact("HMAC-SHA256 of it, keyed with the server seed", mac),
    ...fact("The same as a number, n", number),
    ...fact("Roll", conclusion));
}

function prizeTable({ snapshot, prizeIndex, boxVersionId, total }) {
  let before = 0n;
  const rows = snapshot.prizes.map((prize) => {
    const first = before;
    before += BigInt(prize.weight);
    return { prize, rolls: first === before - 1n ? `${first}` : `${first} to ${before - 1n}` };
  });
  const start = Math.max(0, Math.min(prizeIndex - ROWS_SHOWN / 2, rows.length - ROWS_SHOWN));
  const shown = rows.slice(start, start + ROWS_SHOWN);
  const columns = ["Prize", "Kind", "Value", "Weight", "Chance", "Rolls"];
  const table = element("table", {},
    element("caption", {}, caption(shown.length, rows.length)),
    element("thead", {}, element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...shown.map(({ prize, rolls }) => prizeRow(prize, rolls, prize.index === prizeIndex, snapshot.currency, total))));
  const frame = element("div", { className: "scroll", tabIndex: 0 }, table);
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", `Prize table of box version ${boxVersionId}`);
  return frame;
}

function caption(shown, all) {
  return shown === all ? "The published prize table" : `${shown} of the ${all} prizes of the published table, around the drawn one`;
}

function prizeRow({ name, kind, valueMinor, weight }, rolls, drawn, currency, total) {
  const row = element("tr", { className: drawn ? "drawn" : "" },
    element("th", { scope: "row" }, name, ...(drawn ? [" ", element("strong", { className: "badge" }, "drawn")] : [])),
    ...[kind, money(valueMinor, currency), weight, `${Number(((100 * weight) / Number(total)).toPrecision(3))} %`, rolls]
      .map((text) => element("td", {}, String(text))));
  if (drawn) row.setAttribute("aria-current", "true");
  return row;
}

/* Digits are moved as text: a number would round the largest amounts. */
function money(minor, currency) {
  const decimals = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
  const digits = String(minor).padStart(decimals + 1, "0");
  const units = decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
  return `${units} ${currency}`;
}

function checkLine({ name, computed, recorded, agrees }) {
  const says = agrees ? [": ", code(computed), ", as recorded"] : [" computed here is ", code(computed), ", but recorded was ", code(recorded)];
  return element("p", { className: `check ${agrees ? "agrees" : "differs"}` },
    element("span", { className: "mark" }, agrees ? "Checked" : "Differs"), " ", element("span", {}, name, ...says));
}

function fact(name, value) {
  return [element("dt", {}, name), element("dd", {}, code(value))];
}

function code(text) {
  return element("code", {}, String(text));
}

function section(heading, ...content) {
  return element("section", {}, element("h2", {}, heading), ...content);
}

/* Text becomes text nodes only, so nothing that an operator named can act as markup. */
function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
