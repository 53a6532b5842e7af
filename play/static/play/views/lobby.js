/* All boxes on sale: search, order, pick. */

import { get } from "../api.js";
import { boxArt } from "../art.js";
import { h } from "../dom.js";
import { tell } from "../host.js";
import { collate, money, n, percent, t } from "../i18n.js";
import { freeOpens } from "../state.js";

const FILTER_FROM = 4;
const kept = { words: "", order: "name" };

/** Return the lobby. */
export async function render() {
  const boxes = await allBoxes();
  const shelf = h("ul", { class: "shelf", role: "list" });
  const count = h("p", { class: "faint", role: "status" });
  const orders = {
    name: [t("Name"), (one, other) => collate(one.name, other.name)],
    cheap: [t("Lowest price first"), (one, other) => one.priceMinor - other.priceMinor],
    dear: [t("Highest price first"), (one, other) => other.priceMinor - one.priceMinor],
    edge: [t("Most given back first"), (one, other) => one.houseEdgeBps - other.houseEdgeBps],
  };
  const arrange = () => {
    const words = kept.words.trim().toLocaleLowerCase();
    const shown = boxes.filter(({ name }) => name.toLocaleLowerCase().includes(words)).sort(orders[kept.order][1]);
    shelf.replaceChildren(...shown.map(card));
    count.textContent = shown.length === 0 ? t("No box is called that. Try another word.") : n("{count} box", "{count} boxes", shown.length);
  };
  const tools = h("form", { class: "tools", role: "search", onsubmit: (event) => event.preventDefault() },
    h("label", {}, h("span", {}, t("Search")),
      h("input", { type: "search", value: kept.words, autocomplete: "off", oninput: ({ target }) => { kept.words = target.value; arrange(); } })),
    h("label", {}, h("span", {}, t("Sort by")),
      h("select", { onchange: ({ target }) => { kept.order = target.value; arrange(); } },
        Object.entries(orders).map(([value, [label]]) => h("option", { value, selected: value === kept.order }, label)))));
  arrange();
  return {
    title: t("Boxes"),
    content: [
      h("h1", {}, t("Pick a box")),
      boxes.length >= FILTER_FROM && tools,
      boxes.length > 0 ? count : h("p", { class: "empty" }, t("No box is on sale right now. Come back soon.")),
      shelf,
    ],
  };
}

function card(box) {
  const free = freeOpens(box.boxId) > 0;
  return h("li", { class: "card" },
    h("div", { class: "picture" }, boxArt(box)),
    box.customAttributes.is_new === true && h("span", { class: "badge" }, t("New")),
    h("h2", {},
      h("a", { href: `#/boxes/${box.boxId}`, onclick: () => tell("box:card-clicked", { boxId: box.boxId }) }, box.name)),
    h("p", { class: "price" }, free ? t("Free for you") : money(box.priceMinor, box.currency)),
    h("p", { class: "faint" }, t("{share} given back on average", { share: percent(1 - box.houseEdgeBps / 10_000) })));
}

async function allBoxes() {
  const { boxes, pagination } = await get("boxes", { perPage: 200 });
  for (let page = 2; page <= pagination.lastPage; page += 1) boxes.push(...(await get("boxes", { perPage: 200, page })).boxes);
  return boxes;
}
