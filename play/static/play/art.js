/* Pictures for boxes and prizes that the operator gave none: drawn from their ids, so that the same thing always looks the same. */

import { h, s } from "./dom.js";

const GOLDEN_ANGLE = 137.508;

let drawings = 0;

/** Return the picture of a box: the operator's own, or a drawn one. */
export function boxArt({ boxId, image }) {
  if (image?.default) return photo(image);
  return drawnBox(boxId);
}

/** Return the picture of a prize: the operator's own, or a drawn one by its kind. */
export function prizeArt({ kind, name, itemId, imageUrl }) {
  if (imageUrl) return h("img", { class: "art", src: imageUrl, alt: "", loading: "lazy" });
  if (kind === "cash") return coins(hash(name));
  if (kind === "bonus") return ticket(hash(name));
  return gem(itemId);
}

/** Return how rare a prize is, as a word for styles and labels. */
export function rarity(odds) {
  if (odds >= 0.25) return "common";
  if (odds >= 0.05) return "uncommon";
  if (odds >= 0.01) return "rare";
  return odds >= 0.002 ? "epic" : "legendary";
}

function photo(image) {
  return h("picture", { class: "art" },
    image.webp && h("source", { srcset: image.webp, type: "image/webp" }),
    h("img", { src: image.default, alt: image.alt ?? "", loading: "lazy" }));
}

function drawnBox(boxId) {
  const hue = Math.round((boxId * GOLDEN_ANGLE + 245) % 360);
  const designs = [chest, parcel, crate, arcade, safe, casket];
  return picture("0 0 240 210", (paint) => {
    const tones = {
      light: `hsl(${hue} 78% 68%)`, main: `hsl(${hue} 68% 52%)`, deep: `hsl(${hue} 66% 36%)`, dark: `hsl(${hue} 60% 22%)`,
      trim: `hsl(${(hue + 165) % 360} 82% 70%)`,
      front: paint("linear", [`hsl(${hue} 72% 58%)`, `hsl(${(hue + 18) % 360} 66% 36%)`]),
      top: paint("linear", [`hsl(${hue} 84% 76%)`, `hsl(${hue} 70% 56%)`]),
      gold: paint("linear", ["#fff1b8", "#f7c948", "#c9861a"]),
      glow: paint("radial", [`hsl(${hue} 95% 75% / .85)`, `hsl(${hue} 95% 65% / 0)`]),
    };
    return [
      s("circle", { cx: 120, cy: 112, r: 98, fill: tones.glow, class: "glow" }),
      s("ellipse", { cx: 120, cy: 186, rx: 78, ry: 11, fill: "#000", opacity: 0.32 }),
      designs[boxId % designs.length](tones),
      ...sparkles(boxId),
    ];
  });
}

function chest({ front, top, gold, deep, dark }) {
  return [
    path("M44 106h152v66a10 10 0 0 1-10 10H54a10 10 0 0 1-10-10z", front),
    path("M44 106h152v16H44z", dark, { opacity: 0.35 }),
    s("g", { class: "lid" },
      path("M38 108V86c0-30 24-46 82-46s82 16 82 46v22z", top),
      path("M52 82c4-20 26-30 68-30", "none", { stroke: "#fff", "stroke-width": 5, "stroke-linecap": "round", opacity: 0.45 }),
      path("M64 47h18v61H64zM158 47h18v61h-18z", gold),
      path("M38 98h164v10H38z", deep)),
    path("M64 108h18v74H64zM158 108h18v74h-18z", gold),
    path("M104 96h32v30a16 16 0 0 1-32 0z", gold),
    path("M116 110a5 5 0 1 1 8 0l3 14h-14z", dark),
  ];
}

function parcel({ front, top, trim, deep }) {
  return [
    path("M50 98h140v76a8 8 0 0 1-8 8H58a8 8 0 0 1-8-8z", front),
    path("M106 98h28v84h-28z", trim),
    path("M50 98h140v12H50z", deep, { opacity: 0.4 }),
    s("g", { class: "lid" },
      path("M40 72a8 8 0 0 1 8-8h144a8 8 0 0 1 8 8v28H40z", top),
      path("M104 64h32v36h-32z", trim),
      path("M120 64C92 66 70 56 76 40s34-6 44 24c10-30 38-40 44-24s-16 26-44 24z", trim),
      path("M120 64c-16 0-30-6-28-14s18-2 28 14c10-16 26-22 28-14s-12 14-28 14z", deep, { opacity: 0.35 }),
      s("circle", { cx: 120, cy: 63, r: 9, fill: "#fff", opacity: 0.85 })),
  ];
}

function crate({ front, top, gold, dark, light }) {
  return [
    path("M46 92h148v90H46z", front),
    path("M46 120h148M46 150h148", "none", { stroke: dark, "stroke-width": 4, opacity: 0.55 }),
    path("M60 92l120 90M180 92L60 182", "none", { stroke: light, "stroke-width": 11, opacity: 0.55 }),
    path("M46 92h18v90H46zM176 92h18v90h-18z", dark, { opacity: 0.45 }),
    s("g", { class: "lid" },
      path("M40 92l22-34h116l22 34z", top),
      path("M86 58l-8 34M120 58v34M154 58l8 34", "none", { stroke: dark, "stroke-width": 3, opacity: 0.4 }),
      path("M36 90h168v14H36z", dark)),
    s("circle", { cx: 120, cy: 138, r: 24, fill: gold }),
    path("M120 122v32M110 132h20M106 144c2 10 8 12 14 12s12-2 14-12", "none", { stroke: dark, "stroke-width": 5, "stroke-linecap": "round" }),
  ];
}

function arcade({ front, top, gold, dark, trim, light }) {
  return [
    path("M56 96h128v78a8 8 0 0 1-8 8H64a8 8 0 0 1-8-8z", front),
    path("M70 110h100v44H70z", dark),
    path("M96 118h8v8h-8zM136 118h8v8h-8zM88 126h64v8H88zM80 134h16v8H80zM104 134h32v8h-32zM144 134h16v8h-16zM96 142h8v6h-8zM136 142h8v6h-8z", trim),
    s("circle", { cx: 86, cy: 168, r: 6, fill: gold }),
    path("M130 164h10v8h-10zM148 164h10v8h-10z", light),
    s("g", { class: "lid" },
      path("M48 96V72h12V60h12V48h96v12h12v12h12v24z", top),
      path("M72 60h96v8H72z", "#fff", { opacity: 0.4 }),
      path("M108 64h24v12h12v12h-12v8h-24v-8H96V76h12z", gold)),
  ];
}

function safe({ front, top, gold, dark, light, trim }) {
  return [
    path("M62 178h22v12H62zM156 178h22v12h-22z", dark),
    s("g", { class: "lid" }, s("rect", { x: 46, y: 44, width: 148, height: 138, rx: 16, fill: top })),
    s("rect", { x: 58, y: 56, width: 124, height: 114, rx: 10, fill: front }),
    s("rect", { x: 66, y: 64, width: 108, height: 98, rx: 7, fill: "none", stroke: light, "stroke-width": 2, opacity: 0.6 }),
    ...[[74, 72], [166, 72], [74, 154], [166, 154]].map(([cx, cy]) => s("circle", { cx, cy, r: 3.5, fill: gold })),
    s("circle", { cx: 120, cy: 113, r: 32, fill: dark }),
    s("circle", { cx: 120, cy: 113, r: 26, fill: gold }),
    s("circle", { cx: 120, cy: 113, r: 15, fill: dark }),
    path("M120 80v66M87 113h66M97 90l46 46M143 90l-46 46", "none", { stroke: gold, "stroke-width": 5, "stroke-linecap": "round" }),
    s("circle", { cx: 120, cy: 113, r: 8, fill: trim }),
  ];
}

function casket({ front, top, gold, dark, trim }) {
  return [
    path("M44 110h152l-12 62a12 12 0 0 1-12 10H68a12 12 0 0 1-12-10z", front),
    path("M56 128h128l-4 22H60z", dark, { opacity: 0.35 }),
    s("g", { class: "lid" },
      path("M36 110l20-42c4-8 10-12 18-12h92c8 0 14 4 18 12l20 42z", top),
      path("M74 64h92", "none", { stroke: "#fff", "stroke-width": 5, "stroke-linecap": "round", opacity: 0.5 }),
      path("M34 100h172v12H34z", gold),
      path("M120 26l18 20-18 22-18-22z", trim),
      path("M120 26l7 20-7 22-7-22z", "#fff", { opacity: 0.5 })),
    path("M50 176h140v8a6 6 0 0 1-6 6H56a6 6 0 0 1-6-6z", gold),
    path("M120 106l16 16-16 20-16-20z", gold),
    path("M120 114l9 9-9 11-9-11z", trim),
    ...[78, 162].map((cx) => s("circle", { cx, cy: 139, r: 8, fill: trim })),
  ];
}

function sparkles(seed) {
  const chance = dice(seed * 7919 + 13);
  return Array.from({ length: 6 }, () => {
    const angle = chance() * Math.PI * 2;
    const distance = 74 + chance() * 26;
    const x = 120 + Math.cos(angle) * distance;
    const y = 96 + Math.sin(angle) * distance * 0.82;
    const size = 3 + chance() * 5;
    return path(`M${x} ${y - size}q${size * 0.15} ${size * 0.85} ${size} ${size}q-${size * 0.85} ${size * 0.15}-${size} ${size}q-${size * 0.15}-${size * 0.85}-${size}-${size}q${size * 0.85}-${size * 0.15} ${size}-${size}z`,
      "#fff", { class: "sparkle", opacity: 0.75 });
  });
}

function coins(seed) {
  return picture("0 0 100 100", (paint) => {
    const gold = paint("linear", ["#ffe9a3", "#f5b82e", "#b8720f"]);
    const piles = 2 + (seed % 2);
    const stack = (x, count) => Array.from({ length: count }, (_, index) => {
      const y = 78 - index * 9;
      return [s("ellipse", { cx: x, cy: y + 4, rx: 19, ry: 8, fill: "#8a540a" }), s("ellipse", { cx: x, cy: y, rx: 19, ry: 8, fill: gold })];
    });
    return [
      ...stack(34, 2 + (seed % 3)), ...stack(68, 3 + piles),
      s("circle", { cx: 44, cy: 66, r: 20, fill: "#8a540a" }), s("circle", { cx: 43, cy: 64, r: 20, fill: gold }),
      s("circle", { cx: 43, cy: 64, r: 14.5, fill: "none", stroke: "#9c620f", "stroke-width": 2.5 }),
      path("M43 54l3 7 7 .6-5.4 4.6 1.7 7.2-6.3-3.8-6.3 3.8 1.7-7.2-5.4-4.6 7-.6z", "#9c620f"),
    ];
  });
}

function ticket(seed) {
  const hue = seed % 360;
  return picture("0 0 100 100", (paint) => [
    s("g", { transform: "rotate(-14 50 50)" },
      path("M12 30h76v13a7 7 0 0 0 0 14v13H12V57a7 7 0 0 0 0-14z", paint("linear", [`hsl(${hue} 85% 70%)`, `hsl(${(hue + 50) % 360} 75% 48%)`])),
      path("M66 34v5m0 6v5m0 6v5", "none", { stroke: "#fff", "stroke-width": 3, opacity: 0.8 }),
      path("M39 37l4 9 9.5 .8-7.3 6.2 2.3 9.5-8.5-5.2-8.5 5.2 2.3-9.5-7.3-6.2 9.5-.8z", "#fff")),
  ]);
}

function gem(itemId) {
  const hue = Math.round((itemId * GOLDEN_ANGLE + 160) % 360);
  const shapes = [brilliant, orb, star, shield, cube, ring, leaf, crown];
  return picture("0 0 100 100", (paint) => {
    const tones = {
      body: paint("linear", [`hsl(${hue} 90% 76%)`, `hsl(${(hue + 30) % 360} 72% 46%)`]),
      light: `hsl(${hue} 95% 86%)`, deep: `hsl(${(hue + 20) % 360} 65% 32%)`,
    };
    return [s("ellipse", { cx: 50, cy: 88, rx: 26, ry: 4.5, fill: "#000", opacity: 0.25 }), shapes[itemId % shapes.length](tones)];
  });
}

function brilliant({ body, light, deep }) {
  return [path("M30 20h40l18 22-38 42-38-42z", body), path("M30 20l20 22 20-22zM12 42h38L50 84z", light, { opacity: 0.55 }), path("M88 42H50v42z", deep, { opacity: 0.35 })];
}

function orb({ body, light, deep }) {
  return [s("circle", { cx: 50, cy: 48, r: 33, fill: body }), path("M22 62a33 33 0 0 0 60-6c-16 12-40 16-60 6z", deep, { opacity: 0.45 }),
    s("ellipse", { cx: 39, cy: 33, rx: 12, ry: 7, fill: light, opacity: 0.85, transform: "rotate(-32 39 33)" })];
}

function star({ body, light, deep }) {
  return [path("M50 12l11 25 27 3-20 18 6 27-24-14-24 14 6-27L12 40l27-3z", body), path("M50 12l11 25-11 11zM88 40L68 58 50 48z", light, { opacity: 0.6 }), path("M74 85L50 71V48l18 10z", deep, { opacity: 0.4 })];
}

function shield({ body, light, deep }) {
  return [path("M50 14l32 10v24c0 20-14 32-32 38-18-6-32-18-32-38V24z", body), path("M50 14v72c18-6 32-18 32-38V24z", deep, { opacity: 0.35 }), path("M50 32l5 12 13 1-10 8 3 13-11-7-11 7 3-13-10-8 13-1z", light)];
}

function cube({ body, light, deep }) {
  return [path("M50 12l34 19v38L50 88 16 69V31z", body), path("M50 12l34 19-34 19-34-19z", light, { opacity: 0.7 }), path("M84 31v38L50 88V50z", deep, { opacity: 0.5 })];
}

function ring({ body, light, deep }) {
  return [s("circle", { cx: 50, cy: 58, r: 23, fill: "none", stroke: body, "stroke-width": 9 }), path("M36 14h28l10 12-24 24-24-24z", body), path("M36 14l14 12 14-12zM26 26h24v24z", light, { opacity: 0.7 }), path("M74 26H50v24z", deep, { opacity: 0.4 })];
}

function leaf({ body, light, deep }) {
  return [path("M18 82C10 40 34 14 84 14c4 48-22 72-66 68z", body), path("M84 14C60 30 40 50 18 82c44 4 70-20 66-68z", deep, { opacity: 0.3 }), path("M20 80C36 56 54 40 72 28", "none", { stroke: light, "stroke-width": 4, "stroke-linecap": "round" })];
}

function crown({ body, light, deep }) {
  return [path("M14 30l18 16 18-28 18 28 18-16-8 44H22z", body), path("M50 18l18 28 18-16-8 44H50z", deep, { opacity: 0.25 }), path("M22 74h56v9H22z", deep),
    ...[[14, 28], [50, 16], [86, 28]].map(([cx, cy]) => s("circle", { cx, cy, r: 5, fill: light }))];
}

function path(d, fill, more = {}) {
  return s("path", { d, fill, ...more });
}

/* Draw with paints that no other drawing on the page shares, for ids are the page's own. */
function picture(viewBox, draw) {
  const defs = s("defs");
  const drawing = ++drawings;
  const paint = (shape, colours) => {
    const id = `paint-${drawing}-${defs.childElementCount}`;
    const direction = shape === "linear" ? { x1: 0, y1: 0, x2: 0.6, y2: 1 } : {};
    defs.append(s(`${shape}Gradient`, { id, ...direction },
      colours.map((colour, index) => s("stop", { offset: index / (colours.length - 1), "stop-color": colour }))));
    return `url(#${id})`;
  };
  const shapes = draw(paint);
  return s("svg", { class: "art", viewBox, "aria-hidden": "true", focusable: "false" }, defs, shapes);
}

function hash(text) {
  let value = 2_166_136_261;
  for (const character of text) value = Math.imul(value ^ character.codePointAt(0), 16_777_619);
  return value >>> 0;
}

/* A small generator (mulberry32): looks, not luck. Nothing that a player wins hangs on it. */
function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
