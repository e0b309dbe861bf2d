// The dashboard: chooses the view, loads everything every five seconds, and shows it.

import { get } from "./api.js";
import { drawHours, drawOutcomes, drawTop } from "./charts.js";
import { byId, say, setText } from "./dom.js";
import { clock, windowStart } from "./format.js";
import { drawHistory, initHosts, loadHistory, showHosts } from "./hosts.js";
import { initLang, keep, lang, setLang, t } from "./i18n.js";
import { initIntegrity, showIntegrity } from "./integrity.js";
import { clearRecords, draw as drawRecords, fillForm, initRecords, loadRecords } from "./records.js";
import { currentSession, initSession, redeemSetup, signOut, takeSetupToken } from "./session.js";
import { showIncidents, showTiles } from "./summary.js";

const EVERY = 5_000;
const BUSY_EVERY = 1_000;
const PAGES = ["dash", "integrity"];
const VIEWS = ["signin", "setup", ...PAGES];

let page = "dash";
let data = {};
let timer = 0;
let paused = false;
let updatedAt = null;
let running = null;
let again = false;
let session = null;

function show(view) {
  for (const name of VIEWS) byId(`view-${name}`).hidden = name !== view;
  const inside = PAGES.includes(view);
  for (const id of ["nav", "pause", "sign-out", "whoami"]) byId(id).hidden = !inside;
  for (const link of byId("nav").children) link.ariaCurrent = link.dataset.page === view ? "page" : null;
  byId("updated").hidden = !inside || !updatedAt;
  if (inside) return;
  clearTimeout(timer);
  session = null;
  updatedAt = null;
  data = {};
  clearRecords();
  for (const id of ["origin", "verify-error", "proof-error"]) setText(byId(id), "");
  byId("banner").hidden = true;
  (view === "signin" ? byId("token") : byId("setup-title")).focus();
}

/** Reads the page out of the URL; a fragment that names none, such as that of the skip link, changes nothing. */
function route() {
  if (location.hash && !location.hash.startsWith("#/")) return;
  const next = location.hash === "#/integrity" ? "integrity" : "dash";
  if (next !== page) scrollTo(0, 0);
  page = next;
  if (!session) return;
  show(page);
  render();
}

/** Finds out who is there, and shows the right view. */
async function start() {
  const setup = takeSetupToken();
  route();
  if (setup) {
    if (await redeemSetup(setup)) { show("setup"); return; }
    show("signin");
    return;
  }
  try {
    session = await currentSession();
  } catch (error) {
    warn(error.status ? t("partly", { what: error.message }) : t("unreachable"));
    timer = setTimeout(start, EVERY);
    return;
  }
  if (!session) { show("signin"); return; }
  warn("");
  setText(byId("whoami"), `${session.name} · ${session.scope}`);
  fillForm();
  show(page);
  await refresh();
}

/** Says what is wrong, or takes the banner away. */
function warn(text) {
  const banner = byId("banner");
  if (!text && !banner.hidden && session) say(t("back"));
  setText(byId("banner-text"), text);
  banner.hidden = !text;
}

const loads = () => {
  const checkpoints = get("checkpoints", { limit: 20 }).then((x) => x.checkpoints);
  if (page === "integrity") return { integrity: get("integrity").then((x) => x.integrity), checkpoints };
  const since = windowStart().toISOString();
  const failing = { field: "source.ip", "event.outcome": "failure", since, limit: 10 };
  return {
    totals: get("stats/totals").then((x) => x.totals),
    outcomes: get("stats/outcomes", { since }).then((x) => x.outcomes),
    hours: get("stats/hours", { since }).then((x) => x.hours),
    top: get("stats/top", failing).then((x) => x.top),
    incidents: get("incidents", { state: "open", limit: 50 }),
    hosts: get("hosts", { limit: 50 }),
    checkpoints,
    records: loadRecords(),
  };
};

/** Loads everything once; a call during a round asks for one more round after it. */
async function refresh() {
  if (running) { again = true; return running; }
  clearTimeout(timer);
  running = round().finally(() => { running = null; });
  await running;
  if (!session) return;
  if (again) { again = false; await refresh(); return; }
  plan();
}

async function round() {
  const wanted = loads();
  const names = Object.keys(wanted);
  const answers = await Promise.allSettled(Object.values(wanted));
  const errors = answers.filter((a) => a.status === "rejected").map((a) => a.reason);
  if (!session) return;
  if (errors.some((e) => e.status === 401)) { show("signin"); return; }
  answers.forEach((answer, i) => { if (answer.status === "fulfilled") data[names[i]] = answer.value; });
  if (errors.length < names.length) updatedAt = new Date();
  render();
  try {
    if (page === "dash" && data.hosts) await loadHistory();
  } catch (error) {
    errors.push(error);
  }
  if (!errors.length) warn("");
  else warn(errors.every((e) => e.status === 0) ? t("unreachable") : t("partly", { what: [...new Set(errors.map((e) => e.message))].join("; ") }));
}

function plan() {
  clearTimeout(timer);
  const busy = page === "integrity" && data.integrity?.running;
  if ((busy || !paused) && !document.hidden && session) timer = setTimeout(refresh, busy ? BUSY_EVERY : EVERY);
}

/** Shows what has been loaded; what could not be loaded keeps its last state. */
function render() {
  showTools();
  if (page === "integrity") { showIntegrity(data); return; }
  showTiles(data);
  if (data.outcomes) drawOutcomes(byId("chart-outcomes"), data.outcomes);
  if (data.hours) drawHours(byId("chart-hours"), data.hours);
  if (data.top) drawTop(byId("chart-top"), data.top);
  if (data.incidents) showIncidents(data.incidents.incidents, data.incidents.meta);
  if (data.hosts) showHosts(data.hosts.hosts, data.hosts.meta);
  drawHistory();
}

const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function showTools() {
  document.title = session && page === "integrity" ? `${t("integrity")} – secmon` : "secmon";
  const label = (id, text, name) => { setText(byId(id), text); byId(id).setAttribute("aria-label", name); };
  label("theme", t(isDark() ? "to_light" : "to_dark"), t(isDark() ? "to_light_label" : "to_dark_label"));
  label("pause", t(paused ? "resume" : "pause"), t(paused ? "resume_label" : "pause_label"));
  label("lang", lang() === "fr" ? "English" : "Français", lang() === "fr" ? "English: switch the language" : "Français : changer de langue");
  byId("lang").lang = lang() === "fr" ? "en" : "fr";
  byId("updated").hidden = !updatedAt;
  if (updatedAt) setText(byId("updated"), t(paused ? "paused" : "updated", { time: clock(updatedAt) }));
  const origin = data.checkpoints?.find((c) => c.label !== "directory")?.origin;
  if (session) setText(byId("origin"), origin ? `${location.host} · ${origin}` : location.host);
}

initLang();
initSession(start);
initHosts();
addEventListener("popstate", route);
initRecords(refresh);
initIntegrity(refresh);
showTools();

byId("lang").addEventListener("click", () => {
  setLang(lang() === "fr" ? "en" : "fr");
  keep("lang", lang());
  if (!session) { showTools(); return; }
  const typed = [...byId("filter").elements].map((el) => el.value);
  fillForm();
  [...byId("filter").elements].forEach((el, i) => { el.value = typed[i]; });
  render();
  drawRecords();
});
byId("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  keep("theme", document.documentElement.dataset.theme);
  showTools();
  drawHistory();
});
byId("pause").addEventListener("click", () => {
  paused = !paused;
  showTools();
  if (paused) clearTimeout(timer);
  else refresh();
});
byId("retry").addEventListener("click", () => (session ? refresh() : start()));
byId("sign-out").addEventListener("click", async () => {
  try {
    await signOut();
    show("signin");
  } catch (error) {
    warn(error.status ? error.message : t("unreachable"));
  }
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden || paused || !session) clearTimeout(timer);
  else refresh();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { showTools(); drawHistory(); });
addEventListener("resize", () => { if (session) render(); });
addEventListener("hashchange", () => { if (location.hash.startsWith("#setup=")) start(); });
start();
