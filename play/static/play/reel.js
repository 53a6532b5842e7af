/* The reel. What it lands on was drawn and recorded before it moves; the tiles that pass by are picked by the box's true odds. */

import { prizeArt, rarity } from "./art.js";
import { announce, calm, h } from "./dom.js";
import { t } from "./i18n.js";

const TILES_BEFORE = 34;
const TILES_AFTER = 4;
const SPIN_MS = 5_200;
const NEXT_REEL_MS = 450;

/** Spin one strip for each prize and return when all have landed. `tables` has each reel's prizes with their odds. */
export async function spin(stage, prizes, tables) {
  if (calm()) return;
  const strips = prizes.map((prize, index) => strip(prize, tables[index], index));
  const skip = h("button", { class: "button quiet", onclick: () => animations.forEach((animation) => animation.finish()) }, t("Skip"));
  stage.replaceChildren(
    h("div", { class: prizes.length > 1 ? "reels many" : "reels", "aria-hidden": "true" }, strips.map(({ frame }) => frame)),
    h("div", { class: "actions" }, skip));
  stage.scrollIntoView({ block: "center" });
  announce(t("The reel is turning."));
  const animations = strips.map(({ track, winner, lean }, index) => {
    const middle = winner.offsetLeft + winner.offsetWidth / 2 - track.parentElement.clientWidth / 2;
    const end = -(middle + lean * winner.offsetWidth);
    return track.animate(
      [{ transform: "translateX(0)", easing: "cubic-bezier(.1, .75, .12, 1)" },
        { transform: `translateX(${end}px)`, offset: 0.93, easing: "ease-in-out" },
        { transform: `translateX(${-middle}px)` }],
      { duration: SPIN_MS + index * NEXT_REEL_MS, fill: "forwards" });
  });
  await Promise.all(animations.map((animation, index) => animation.finished.then(() => strips[index].frame.classList.add("landed"))));
  await new Promise((resolve) => setTimeout(resolve, 550));
}

/** Return the prize's row in its table: the odds that it was drawn at, and its name in the player's language. */
export function rowOf(prize, table) {
  const alike = table.filter((row) => row.kind === prize.kind && row.itemId === prize.itemId);
  const found = alike.find((row) => row.name === prize.name) ?? alike.find((row) => row.itemId !== null || row.valueMinor === prize.valueMinor);
  return { odds: 1, ...prize, ...found, valueMinor: prize.valueMinor };
}

/** Throw coloured paper over the stage; for prizes worth a cheer. */
export function cheer(stage) {
  if (calm()) return;
  const confetti = h("div", { class: "confetti", "aria-hidden": "true" },
    Array.from({ length: 42 }, (_, index) => h("i", { class: `tint-${index % 5}` })));
  stage.append(confetti);
  const flights = [...confetti.children].map((piece) => {
    const x = (Math.random() - 0.5) * 2 * Math.min(stage.clientWidth * 0.48, 420);
    const up = -(80 + Math.random() * 190);
    return piece.animate(
      [{ transform: "translate(0, 0) rotate(0)", opacity: 1 },
        { transform: `translate(${x * 0.8}px, ${up}px) rotate(${Math.random() * 400}deg)`, opacity: 1, offset: 0.4, easing: "ease-in" },
        { transform: `translate(${x}px, ${160 + Math.random() * 120}px) rotate(${Math.random() * 1_100}deg)`, opacity: 0 }],
      { duration: 1_500 + Math.random() * 1_300, easing: "cubic-bezier(.1, .8, .4, 1)", fill: "forwards" }).finished;
  });
  Promise.all(flights).then(() => confetti.remove());
}

function strip(prize, table, index) {
  const winner = tile(rowOf(prize, table), "winner");
  const track = h("div", { class: "track" },
    Array.from({ length: TILES_BEFORE + (index % 3) }, () => tile(passerBy(table))), winner,
    Array.from({ length: TILES_AFTER }, () => tile(passerBy(table))));
  return { frame: h("div", { class: "reel" }, track), track, winner, lean: (Math.random() - 0.5) * 0.7 };
}

function tile(row, more = "") {
  return h("div", { class: `tile ${rarity(row.odds)} ${more}` }, prizeArt(row), h("span", {}, row.name));
}

function passerBy(table) {
  let point = Math.random();
  return table.find(({ odds }) => (point -= odds) < 0) ?? table.at(-1);
}
