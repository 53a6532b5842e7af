/* The operator's colours, made readable: what they give is taken, what would be hard to read beside it is moved until it isn't. */

const NAME = /^[a-z][A-Za-z0-9]{0,39}$/;
const VALUE = /^[A-Za-z0-9#%., ()-]{1,100}$/;
const READABLE = 4.6;

const pixel = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });

/** Set theme tokens (`brandColor` is `--brand-color`) and settle all that follows from them. */
export function applyTheme(tokens = {}) {
  for (const [name, value] of Object.entries(tokens)) {
    if (!NAME.test(name) || !VALUE.test(value)) continue;
    document.documentElement.style.setProperty(`--${name.replace(/[A-Z]/g, (upper) => `-${upper.toLowerCase()}`)}`, value);
  }
  settle();
}

/** Keep the colours readable when the player switches between light and dark. */
export function watchScheme() {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", settle);
}

function settle() {
  const { style } = document.documentElement;
  for (const name of ["--text", "--on-brand", "--brand-text", "color-scheme"]) style.removeProperty(name);
  const given = getComputedStyle(document.documentElement).getPropertyValue("--background-color");
  if (given) style.setProperty("color-scheme", luminance(colour("--ground")) < 0.18 ? "dark" : "light");
  const grounds = ["--ground", "--surface", "--raised"].map(colour);
  const worst = (candidate) => Math.min(...grounds.map((ground) => contrast(candidate, ground)));
  if (worst(colour("--text")) < 7) style.setProperty("--text", css(bestOf(worst)));
  style.setProperty("--on-brand", css(bestOf((candidate) => contrast(candidate, colour("--brand")))));
  style.setProperty("--brand-text", css(readable(colour("--brand"), bestOf(worst), worst)));
}

function readable(brand, extreme, worst) {
  for (let share = 0; share < 1; share += 0.05) {
    const mixed = brand.map((channel, index) => channel + (extreme[index] - channel) * share);
    if (worst(mixed) >= READABLE) return mixed;
  }
  return extreme;
}

function bestOf(measure) {
  const dark = [20, 16, 32];
  const light = [255, 255, 255];
  return measure(light) >= measure(dark) ? light : dark;
}

function colour(property) {
  const probe = document.createElement("i");
  probe.style.color = `var(${property})`;
  document.body.append(probe);
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = getComputedStyle(probe).color;
  pixel.fillRect(0, 0, 1, 1);
  probe.remove();
  return [...pixel.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

function css(channels) {
  return `rgb(${channels.map(Math.round).join(" ")})`;
}

function contrast(one, other) {
  const [high, low] = [luminance(one), luminance(other)].sort((first, second) => second - first);
  return (high + 0.05) / (low + 0.05);
}

function luminance(channels) {
  const [red, green, blue] = channels.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
