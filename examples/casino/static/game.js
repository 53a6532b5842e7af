/* Puts the game into our page and keeps the two in step. What your casino writes is about as long as this. */

const place = document.getElementById("game");
const others = document.getElementById("others");
const said = document.getElementById("said");
const { sdk, operator, player, box, free, guest, buy } = place.dataset;

try {
  const { LBS } = await import(sdk);
  const options = { operator, parentOrigin: location.origin };
  const games = guest
    ? LBS.mount(place, { ...options, boxId: Number(box) })
    : LBS.mount(place, { ...options, launchUrl: await launch() });

  games.on("walletBalanceChanged", ({ balanceMinor, currency }) => {
    document.getElementById("balance").textContent = money(balanceMinor, currency);
  });
  games.on("authRequired", async () => {
    // Your casino shows its log-in here. This one has none, so it signs the player in at once.
    games.authenticate(await launch());
  });
  games.on("sessionAuthenticated", ({ playerExternalId }) => say(`Signed in to the game as ${playerExternalId}.`));
  games.on("insufficientBalance", () => say("Your balance is too low. A real casino offers a deposit here."));

  const row = LBS.recommended(others, { ...options, boxIds: others.dataset.boxes.split(",").map(Number).slice(0, 4) });
  row.on("boxCardClicked", ({ boxId }) => games.navigate({ boxId }));
  row.on("boxCardPurchase", ({ boxId }) => location.assign(`/game?${new URLSearchParams({ player, box: boxId, buy: 1 })}`));
} catch (error) {
  say(`The game can't be opened. ${error.message}`);
}

async function launch() {
  const answer = await fetch("/launches", { method: "POST", body: new URLSearchParams({ player, box, free, buy }) });
  const { launchUrl, error } = await answer.json();
  if (!answer.ok) throw new Error(error);
  return launchUrl;
}

function money(minor, currency) {
  const { maximumFractionDigits: digits } = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions();
  const units = new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(minor / 10 ** digits);
  return `${units} ${currency}`;
}

function say(text) {
  said.hidden = false;
  said.textContent = text;
}
