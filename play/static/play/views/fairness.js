/* Seeds: what the next draw uses, changing them, and verifying here, in the browser, what was drawn with revealed ones. */

import { verifyRound } from "../../fairness/verify.js";
import { get, getPublic, post } from "../api.js";
import { announce, focusOn, h, once } from "../dom.js";
import { n, number, t } from "../i18n.js";
import { notice } from "../problems.js";

/** Return the fairness page. */
export async function render() {
  const page = { active: h("div", {}), revealed: h("div", { class: "seeds" }) };
  const { fairness, revealed } = await get("fairness/state");
  drawActive(page, fairness);
  page.revealed.append(...revealed.map(revealedSeed));
  return {
    title: t("Fairness"),
    content: [
      h("h1", {}, t("Fair, and you can check it")),
      h("p", { class: "lead" }, t("Every draw is computed from a secret server seed, your own client seed and a running number. We show you the hash of the server seed before you play, so it can't be changed afterwards. Change your seeds, and the old server seed is revealed: then you can repeat every draw.")),
      page.active,
      h("h2", {}, t("Revealed seeds")),
      revealed.length === 0 && h("p", { class: "faint none" }, t("None yet. Change your seeds to reveal the one in use.")),
      page.revealed,
    ],
  };
}

function drawActive(page, fairness) {
  const seed = h("input", { type: "text", name: "clientSeed", value: fairness.clientSeed, maxlength: 64, autocomplete: "off", spellcheck: "false", "aria-describedby": "seed-hint" });
  const trouble = h("div", {});
  page.active.replaceChildren(h("section", { class: "panel" },
    h("h2", {}, t("In use now")),
    h("dl", { class: "seedfacts" },
      fact(t("Hash of the server seed"), fairness.serverSeedHash),
      fact(t("Your client seed"), fairness.clientSeed),
      fact(t("Number of the next draw"), number(fairness.nextNonce)),
      fact(t("Hash of the server seed after it"), fairness.nextServerSeedHash)),
    h("form", { class: "rotate", onsubmit: rotate },
      h("label", { class: "field" }, h("span", {}, t("Your next client seed")), seed),
      h("p", { class: "faint", id: "seed-hint" }, t("1 to 64 letters without accents, digits, underscores and hyphens. It meets the server seed whose hash you see above.")),
      trouble,
      h("div", { class: "actions" }, h("button", { class: "button primary" }, t("Change seeds and reveal the old one"))))));

  async function rotate(event) {
    event.preventDefault();
    try {
      const { revealed, fairness: next } = await post("fairness/rotate", { clientSeed: seed.value });
      page.active.parentElement.querySelector(".none")?.remove();
      page.revealed.prepend(revealedSeed(revealed));
      drawActive(page, next);
      announce(t("Your seeds were changed, and the old server seed is revealed."));
      focusOn(page.revealed.querySelector("h3"));
    } catch (refusal) {
      trouble.replaceChildren(notice(refusal));
    }
  }
}

function revealedSeed({ serverSeed, serverSeedHash, clientSeed, rounds }) {
  const verdicts = h("div", { class: "verdicts", "aria-live": "polite" });
  return h("section", { class: "panel" },
    h("h3", {}, n("Seed of {count} draw", "Seed of {count} draws", rounds)),
    h("dl", { class: "seedfacts" },
      fact(t("Server seed"), serverSeed), fact(t("Hash of the server seed"), serverSeedHash), fact(t("Client seed"), clientSeed)),
    rounds > 0 && h("div", { class: "actions" },
      h("button", { class: "button", onclick: once(() => verifyAll(serverSeedHash, rounds, verdicts)) }, t("Check these draws here"))),
    verdicts);
}

async function verifyAll(serverSeedHash, expected, verdicts) {
  if (!globalThis.crypto?.subtle) {
    verdicts.replaceChildren(h("p", { class: "error" }, t("This browser can only check draws on pages with https.")));
    return;
  }
  verdicts.replaceChildren(h("p", {}, t("Checking …")));
  try {
    const results = [];
    for (const publicId of await roundsOf(serverSeedHash, expected)) results.push({ publicId, verdict: await verdictOn(publicId) });
    const holding = results.filter(({ verdict }) => verdict === "holds").length;
    verdicts.replaceChildren(
      h("p", { class: holding === results.length ? "verdict holds" : "verdict fails" }, holding === results.length
        ? n("{count} draw repeated here, and it holds.", "{count} draws repeated here, and all hold.", holding)
        : t("{holding} of {all} draws hold. Please tell the casino.", { holding, all: results.length })),
      h("ul", { class: "checked", role: "list" }, results.map(({ publicId, verdict }) => h("li", {},
        h("a", { href: `/fairness/rounds/${publicId}`, target: "_blank", rel: "noopener" }, h("code", {}, publicId)), " ",
        h("span", { class: `verdict ${verdict}` }, verdict === "holds" ? t("holds") : t("does not hold"))))));
  } catch (refusal) {
    verdicts.replaceChildren(notice(refusal));
  }
}

async function verdictOn(publicId) {
  const round = await getPublic(`/fairness/rounds/${publicId}`);
  const versions = [...new Set(round.draws.map(({ boxVersionId }) => boxVersionId))];
  const loaded = await Promise.all(versions.map((id) => getPublic(`/fairness/box-version/${id}/snapshot`)));
  const snapshots = Object.fromEntries(loaded.map(({ boxVersionId, snapshot }) => [boxVersionId, snapshot]));
  return (await verifyRound(round, snapshots)).verdict;
}

async function roundsOf(serverSeedHash, expected) {
  const found = [];
  let cursor = null;
  do {
    const page = await get("rounds", { limit: 200, cursor });
    found.push(...page.items.filter((round) => round.fairness?.serverSeedHash === serverSeedHash).map(({ publicId }) => publicId));
    cursor = page.cursor.next;
  } while (cursor && found.length < expected);
  return found;
}

function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, h("code", {}, value)));
}
