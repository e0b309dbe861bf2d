// Writes numbers, times and event fields in the reader's language.

import { locale, t } from "./i18n.js";
import { h } from "./dom.js";

export const LEVELS = ["informational", "low", "medium", "high", "critical"];

const DAY = 86_400_000;
const HOUR = 3_600_000;

export const num = (n) => new Intl.NumberFormat(locale()).format(n);
export const percent = (part, whole, digits = 0) =>
  new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: digits }).format(whole ? part / whole : 0);

/** Returns the start of the window of 24 whole hours that ends with the present one. */
export const windowStart = () => new Date(Math.floor(Date.now() / HOUR) * HOUR - 23 * HOUR);

export const clock = (date, seconds = true) =>
  date.toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit", second: seconds ? "2-digit" : undefined, hourCycle: "h23" });

/** Makes a `<time>`: local time to read, with the day unless it is today; UTC in the title. */
export function time(iso) {
  const date = new Date(iso);
  if (!iso || Number.isNaN(date.getTime())) return h("span", null, iso ? String(iso) : "–");
  const now = new Date();
  const today = now.toDateString() === date.toDateString();
  const year = date.getFullYear() === now.getFullYear() ? undefined : "numeric";
  const day = date.toLocaleDateString(locale(), { day: "numeric", month: "short", year });
  const utc = `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  return h("time", { datetime: date.toISOString(), title: utc }, today ? clock(date) : `${day} ${clock(date)}`);
}

/** Returns how long ago `iso` was, such as `2 min`. */
export function age(iso) {
  const seconds = Math.max(0, (Date.now() - Date.parse(iso)) / 1000);
  const [unit, value] = seconds < 60 ? ["second", seconds] : seconds < 3600 ? ["minute", seconds / 60]
    : seconds < DAY / 1000 ? ["hour", seconds / 3600] : ["day", seconds / 86_400];
  if (Number.isNaN(value)) return "–";
  return new Intl.NumberFormat(locale(), { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 0 }).format(Math.floor(value));
}

/** Makes the badge of a level; a level that is not one of the five is shown as it came. */
export function badge(level) {
  const known = LEVELS.includes(level);
  return h("span", { class: `badge ${known ? level : ""}` }, known ? t(level) : String(level ?? "–"));
}

/** Returns a field of an event as text. */
export function field(event, name) {
  const value = event?.[name];
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Cuts `text` to `max` characters. */
export const cut = (text, max) => (text.length > max ? `${text.slice(0, max - 1)}…` : text);

const FILTERS = ["host.name", "source.ip", "user.name"];

/** Makes a value that filters the records when clicked, if its field is one of the form. */
export function filterLink(name, value, shown = value) {
  if (!FILTERS.includes(name)) return h("span", { class: "mono" }, shown);
  const query = new URLSearchParams({ [name]: value });
  return h("a", { class: "mono", href: `?${query}#records`, "data-filter": name, "data-value": value, title: t("filter_by", { field: name, value }) }, shown);
}
