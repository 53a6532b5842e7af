/*
 * Verifies a round of `hmac_sha256_v1` with the Web Crypto API of a browser (or of Node 20.19 and later), and with nothing else.
 *
 *   import { verifyRound } from "./verify.js";
 *   const { verdict } = await verifyRound(round, { 1201: snapshot });
 *
 * `round` is the JSON of /fairness/rounds/<id>, each snapshot the prize table of /fairness/box-version/<id>/snapshot. Verdicts:
 * "holds", "fails", "unrevealed" (the server seed is still secret), "undrawn". Test vectors are in vectors.json beside this file.
 */

export const ALGORITHM_KEY = "hmac_sha256_v1";

const utf8 = new TextEncoder();
const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Return the hex SHA-256 of a text's UTF-8 bytes. */
export async function sha256(text) {
  return hex(await crypto.subtle.digest("SHA-256", utf8.encode(text)));
}

/** Return the hex HMAC-SHA256 of a message under a key, both texts. */
export async function hmac(keyText, message) {
  const key = await crypto.subtle.importKey("raw", utf8.encode(keyText), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return hex(await crypto.subtle.sign("HMAC", key, utf8.encode(message)));
}

/** Return the one JSON text that is hashed: keys sorted, no spaces, nothing escaped that needn't be. */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

/** Return the roll (a BigInt) and the attempts that led to it; only the last one's number counts. */
export async function draw({ serverSeed, clientSeed, nonce, reelIndex, snapshotHash, totalWeight }) {
  const total = BigInt(totalWeight);
  const limit = (2n ** 256n / total) * total;
  const attempts = [];
  for (;;) {
    const message = `${clientSeed}:${nonce}:${reelIndex}:${snapshotHash}:${attempts.length}`;
    const mac = await hmac(serverSeed, message);
    const number = BigInt(`0x${mac}`);
    const accepted = number < limit;
    attempts.push({ message, mac, number, accepted });
    if (accepted) return { roll: number % total, attempts, limit };
  }
}

/** Return the index of the first prize whose cumulative weight exceeds the roll. */
export function pick(weights, roll) {
  let cumulative = 0n;
  return weights.findIndex((weight) => (cumulative += BigInt(weight)) > BigInt(roll));
}

/** Return the verdict on a round, what was checked of its seeds, and each reel with what was checked of it. */
export async function verifyRound(round, snapshots) {
  if (round.draws.length === 0) return { verdict: "undrawn", checks: [], reels: [] };
  if (round.serverSeed === null) return { verdict: "unrevealed", checks: [], reels: [] };
  const checks = [
    check("Algorithm", round.algorithmKey, ALGORITHM_KEY),
    check("SHA-256 of the server seed", await sha256(round.serverSeed), round.serverSeedHash),
  ];
  const reels = [];
  for (const recorded of round.draws) reels.push(await verifyReel(round, recorded, snapshots[recorded.boxVersionId]));
  const holds = [...checks, ...reels.flatMap((reel) => reel.checks)].every(({ agrees }) => agrees);
  return { verdict: holds ? "holds" : "fails", checks, reels };
}

async function verifyReel(round, recorded, snapshot) {
  const { reelIndex, boxVersionId, snapshotHash } = recorded;
  if (!snapshot) return { reelIndex, boxVersionId, checks: [check("Prize table", "missing", snapshotHash)] };
  const weights = snapshot.prizes.map((prize) => prize.weight);
  const sum = weights.reduce((total, weight) => total + BigInt(weight), 0n);
  const checks = [
    check("SHA-256 of the prize table", await sha256(canonical(snapshot)), snapshotHash),
    check("Sum of the weights, W", sum, snapshot.totalWeight),
  ];
  if (sum < 1n) return { reelIndex, boxVersionId, checks };
  const drawn = await draw({ ...round, reelIndex, snapshotHash, totalWeight: sum });
  const prizeIndex = pick(weights, drawn.roll);
  checks.push(check("Roll", drawn.roll, recorded.roll), check("Prize", prizeIndex, recorded.prizeIndex));
  return { reelIndex, boxVersionId, snapshot, checks, ...drawn, total: sum, prizeIndex };
}

function check(name, computed, recorded) {
  return { name, computed: String(computed), recorded: String(recorded), agrees: String(computed) === String(recorded) };
}
