// The figures of a draft as one types. All in whole numbers (BigInt), as catalog/figures.py has them; the server computes the
// same when the draft is saved and published. What the gate will say, what changes and the chart come from the server.

const form = document.querySelector("#draft");
const LARGEST = 2n ** 53n - 1n;

const digits = Number(form?.dataset.digits);
const unit = 10n ** BigInt(form ? digits : 0);

// An amount such as 5.00 in minor units, a weight with no digits behind the point; null for what is neither.
function read(text, places) {
  const match = /^([0-9]{1,16})(?:\.([0-9]*))?$/.exec(text.trim());
  if (!match || (match[2] ?? "").length > places) return null;
  const value = BigInt(match[1] + (match[2] ?? "").padEnd(places, "0"));
  return value <= LARGEST ? value : null;
}

const grouped = (value) => value.toString().replace(/\B(?=(\d{3})+$)/g, ",");

function money(minor) {
  const fraction = digits ? `.${(minor % unit).toString().padStart(digits, "0")}` : "";
  return `${grouped(minor / unit)}${fraction} ${form.dataset.currency}`;
}

// A part of a whole such as 12.50 %, a small one with two digits that are not 0, rounded half up.
function share(part, whole) {
  if (whole < 1n) return "–";
  let places = 2n;
  while (part && places < 15n && 100n * part * 10n ** places < 10n * whole) places += 1n;
  const scale = 10n ** places;
  const scaled = (200n * part * scale + whole) / (2n * whole);
  return `${grouped(scaled / scale)}.${(scaled % scale).toString().padStart(Number(places), "0")} %`;
}

function points(bps) {
  const size = bps < 0n ? -bps : bps;
  return `${bps < 0n ? "-" : ""}${grouped(size / 100n)}.${(size % 100n).toString().padStart(2, "0")} %`;
}

// BigInt division cuts towards zero; the house edge is rounded half up, also below zero.
function floorDivide(a, b) {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

function houseEdgeBps(price, weight, won) {
  const staked = price * weight;
  return floorDivide(20_000n * (staked - won) + staked, 2n * staked);
}

const rows = () => [...form.querySelectorAll("#prizes [data-prize]")];
const part = (row, name) => row.querySelector(`[data-part="${name}"]`);
const show = (row, name, text) => {
  for (const place of row.querySelectorAll(`[data-show="${name}"]`)) place.textContent = text;
};

function itemOf(row) {
  const sku = part(row, "item").value;
  return sku ? document.querySelector(`#items option[value="${CSS.escape(sku)}"]`) : null;
}

function prize(row) {
  const kind = part(row, "kind").value;
  for (const place of row.querySelectorAll("[data-for]")) {
    const applies = place.dataset.for.split(" ").includes(kind);
    place.hidden = !applies;
    // What doesn't apply is not sent either.
    for (const field of place.querySelectorAll("input")) field.disabled = !applies;
  }
  const weight = read(part(row, "weight").value || "0", 0);
  part(row, "weight").setAttribute("aria-invalid", String(weight === null));
  if (kind === "item") {
    const item = itemOf(row);
    const value = item ? BigInt(item.dataset.minor) : 0n;
    show(row, "item", item ? item.label : "");
    show(row, "value", item ? money(value) : "");
    return { row, weight: weight ?? 0n, value };
  }
  const value = read(part(row, "value").value || "0", digits);
  part(row, "value").setAttribute("aria-invalid", String(value === null));
  return { row, weight: weight ?? 0n, value: value ?? 0n };
}

function recount() {
  const table = rows().map(prize);
  const weight = table.reduce((sum, line) => sum + line.weight, 0n);
  const won = table.reduce((sum, line) => sum + line.weight * line.value, 0n);
  const largest = table.reduce((most, line) => (line.value > most ? line.value : most), 0n);
  const price = read(form.elements.price.value, digits) ?? 0n;
  const edge = price > 0n && weight > 0n ? houseEdgeBps(price, weight, won) : null;
  for (const line of table) {
    show(line.row, "odds", share(line.weight, weight));
    show(line.row, "part", share(line.weight * line.value, won));
  }
  document.querySelector("#total-weight").textContent = grouped(weight);
  document.querySelector("#rtp").textContent = edge === null ? "–" : points(10_000n - edge);
  document.querySelector("#edge").textContent = edge === null ? "–" : points(edge);
  document.querySelector("#largest").textContent = money(largest);
}

// The forms' names count the rows in their order, which is how the server knows it.
function renumber() {
  rows().forEach((row, index) => {
    for (const field of row.querySelectorAll("[name]")) {
      field.name = field.name.replace(/^prizes-(\d+|__prefix__)-/, `prizes-${index}-`);
      field.id = `id_${field.name}`;
    }
    row.querySelector('[data-do="up"]').disabled = index === 0;
    row.querySelector('[data-do="down"]').disabled = index === rows().length - 1;
  });
  form.elements["prizes-TOTAL_FORMS"].value = rows().length;
  form.elements["prizes-INITIAL_FORMS"].value = 0;
  document.querySelector("#add").disabled = rows().length >= Number(form.dataset.most);
}

let saved = true;
let asked = 0;
let timer;

async function look() {
  const mine = ++asked;
  const answer = await fetch(form.dataset.look, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  // Only the newest answer is of what stands there now; a redirect is the log-in page.
  if (mine === asked && answer.ok && !answer.redirected) document.querySelector("#side").innerHTML = await answer.text();
}

function changed() {
  saved = false;
  document.querySelector("#unsaved").textContent = "Not saved yet";
  recount();
  clearTimeout(timer);
  timer = setTimeout(look, 400);
}

function move(row, how) {
  const other = how === "up" ? row.previousElementSibling : row.nextElementSibling;
  if (!other) return;
  if (how === "up") other.before(row);
  else other.after(row);
}

function act(button) {
  const row = button.closest("[data-prize]");
  const how = button.dataset.do;
  const next = row.nextElementSibling ?? row.previousElementSibling;
  if (how === "remove") row.remove();
  else move(row, how);
  renumber();
  changed();
  // The keyboard stays where it was, or goes to the neighbour of what went.
  const here = how === "remove" ? next?.querySelector('[data-do="remove"]') : button.disabled ? row.querySelector(".bo-icon:enabled") : button;
  (here ?? document.querySelector("#add")).focus();
}

function add() {
  document.querySelector("#prizes").append(document.querySelector("#new-prize").content.cloneNode(true));
  renumber();
  changed();
  part(rows().at(-1), "kind").focus();
}

if (form) {
  renumber();
  recount();
  if (form.querySelector(".errorlist")) changed();
  form.addEventListener("input", changed);
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) act(button);
  });
  document.querySelector("#add").addEventListener("click", add);
  form.addEventListener("submit", () => {
    saved = true;
  });
  window.addEventListener("beforeunload", (event) => {
    if (!saved) event.preventDefault();
  });
}
