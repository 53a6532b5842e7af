/* Lists that come page by page. */

import { get } from "../api.js";
import { h, once } from "../dom.js";
import { t } from "../i18n.js";
import { notice } from "../problems.js";

/** Return a list of all rows at an address, more of them on demand, or what says that there are none. */
export async function pagedList({ path, query = {}, className, row, empty }) {
  const { items, cursor } = await get(path, query);
  if (items.length === 0) return empty;
  const list = h("ul", { class: className, role: "list" }, items.map(row));
  const box = h("div", {}, list);
  if (cursor.next) box.append(more(cursor.next));
  return box;

  function more(next) {
    const button = h("button", { class: "button quiet", onclick: once(async () => {
      try {
        const page = await get(path, { ...query, cursor: next });
        const added = page.items.map(row);
        list.append(...added);
        button.remove();
        if (page.cursor.next) box.append(more(page.cursor.next));
        added[0]?.querySelector("a, button, summary")?.focus();
      } catch (refusal) {
        box.append(notice(refusal));
      }
    }) }, t("Show more"));
    return button;
  }
}
