/* The app's words. English stands in the source; other languages are catalogues made of play/locale by `compile_translations`. */

const TRANSLATED = new Set(["de", "sv"]);

let locale = "en";
let catalogue = {};

/** Speak a language from now on, English where there is no catalogue of it. Numbers and dates follow the whole locale. */
export async function speak(wanted) {
  const language = wanted.split("-")[0].toLowerCase();
  catalogue = TRANSLATED.has(language) ? await load(language) : {};
  locale = Intl.NumberFormat.supportedLocalesOf(wanted).length > 0 ? wanted : "en";
  document.documentElement.lang = TRANSLATED.has(language) ? wanted : "en";
}

async function load(language) {
  const answer = await fetch(new URL(`./locale/${language}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`The language ${language} could not be loaded.`);
  return answer.json();
}

/** Return a text in the player's language, with `{names}` filled in. */
export function t(text, values = {}) {
  return insert(catalogue[text] ?? text, values);
}

/** Return the singular or the plural of a text, with `{count}` filled in. */
export function n(singular, plural, count, values = {}) {
  const forms = catalogue[singular] ?? [singular, plural];
  return insert(forms[count === 1 ? 0 : 1], { count: number(count), ...values });
}

function insert(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Return a whole number as people write it. */
export function number(value) {
  return new Intl.NumberFormat(locale).format(value);
}

/** Return a share of 1 in per cent, exact enough to tell rare from rarer. */
export function percent(share) {
  return new Intl.NumberFormat(locale, { style: "percent", maximumSignificantDigits: 3 }).format(share);
}

/** Return an amount of minor units as money. Digits are moved as text: a float would round the largest amounts. */
export function money(minor, currency) {
  const format = new Intl.NumberFormat(locale, { style: "currency", currency, currencyDisplay: "narrowSymbol" });
  const decimals = format.resolvedOptions().maximumFractionDigits;
  const digits = String(Math.abs(minor)).padStart(decimals + 1, "0");
  const units = decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
  return format.format(`${minor < 0 ? "-" : ""}${units}`);
}

/** Return a moment as date and time of the player's own zone. */
export function moment(iso) {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

/** Return the country's name for its two letters. */
export function country(code) {
  return new Intl.DisplayNames(locale, { type: "region" }).of(code);
}

/** Return the name of a language in that language itself. */
export function languageName(code) {
  const name = new Intl.DisplayNames(code, { type: "language" }).of(code);
  return name[0].toLocaleUpperCase(code) + name.slice(1);
}

/** Order texts as the player's language does. */
export function collate(one, other) {
  return one.localeCompare(other, locale);
}
