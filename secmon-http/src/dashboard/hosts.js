// The hosts: a card with gauges for each, and the history of the chosen one as a uPlot chart.

import { get } from "./api.js";
import { dataTable } from "./charts.js";
import { byId, h, reconcile, setText } from "./dom.js";
import { age, clock, cut, num, windowStart } from "./format.js";
import { kept, keep, lang, locale, t } from "./i18n.js";

const METRICS = ["host.cpu.usage", "system.memory.used.pct"];
const HISTORY_EVERY = 30_000;

let hosts = [];
let chosen = kept("host");
let points = null;
let loadedAt = 0;
let plot = null;
let drawn = "";

/** Connects the cards, and keeps the chart as wide as its place. */
export function initHosts() {
  byId("host-cards").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-host]");
    if (!button) return;
    chosen = button.dataset.host;
    keep("host", chosen);
    loadedAt = 0;
    points = null;
    drawCards();
    loadHistory().catch(() => {});
  });
  new ResizeObserver(() => drawHistory()).observe(byId("chart-history"));
}

/** Shows the hosts that were loaded. */
export function showHosts(list, meta) {
  hosts = list;
  if (!hosts.some((x) => x.name === chosen)) {
    const first = (hosts.find((x) => x.metrics) ?? hosts[0])?.name;
    if (first !== chosen) { points = null; loadedAt = 0; }
    chosen = first;
  }
  setText(byId("hosts-more"), meta?.next_page ? t("more", { n: hosts.length }) : "");
  drawCards();
}

function drawCards() {
  const items = hosts.length ? hosts : [null];
  reconcile(byId("host-cards"), items, {
    key: (x) => (x ? `host ${x.name}` : "empty"),
    signature: (x) => JSON.stringify([x, x && age(x.last_seen), x?.name === chosen, lang()]),
    build: (x) => (x ? card(x) : h("li", { class: "empty" }, t("no_hosts"))),
  });
}

function card(x) {
  const metrics = x.metrics ?? {};
  const disks = metrics["system.filesystem.used.pct"];
  const mounts = disks && typeof disks === "object" ? Object.entries(disks) : disks ? [["", disks]] : [];
  const users = metrics["system.users.names"];
  return h("li", { class: `host ${x.name === chosen ? "chosen" : ""}` },
    h("div", { class: "host-head" },
      h("h3", null, h("button", { type: "button", "data-host": x.name, "aria-pressed": String(x.name === chosen), "aria-label": `${x.name}: ${t("show_history", { host: x.name })}` }, cut(x.name, 60))),
      h("span", { class: "muted" }, t("seen", { time: age(x.last_seen) }), " · ", `${num(x.events)} ${t("events")}`)),
    x.metrics
      ? [h("div", { class: "gauges" }, gauge(t("cpu"), metrics[METRICS[0]]), gauge(t("memory"), metrics[METRICS[1]]),
        mounts.map(([mount, value]) => gauge(t("disk", { at: cut(mount, 40) }), value))),
      Array.isArray(users) && h("p", { class: "users" }, h("span", { class: "muted" }, `${t("users_in")} `), users.length ? users.map(String).join(", ") : t("nobody"))]
      : h("p", { class: "muted users" }, t("no_metrics")));
}

function gauge(name, value) {
  const number = Number(value);
  if (value === undefined || value === null || !Number.isFinite(number)) return null;
  const text = new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: number < 10 ? 1 : 0 }).format(number / 100);
  const fill = h("span", { class: "fill" });
  fill.style.width = `${Math.min(100, Math.max(0, number))}%`;
  return h("div", { class: `gauge ${number >= 90 ? "critical" : number >= 75 ? "warn" : ""}` },
    h("span", { class: "gauge-name" }, name),
    h("span", { class: "meter", role: "meter", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": number, "aria-valuetext": text }, fill),
    h("span", { class: "gauge-value" }, text));
}

/** Loads the history of the chosen host, not more often than the probes measure. */
export async function loadHistory() {
  const host = chosen;
  if (!host || Date.now() - loadedAt < HISTORY_EVERY) return;
  loadedAt = Date.now();
  const since = windowStart().toISOString();
  const asked = METRICS.map((metric) => get("metrics-history", { "host.name": host, metric, since }));
  const [cpu, memory] = await Promise.all(asked).catch((error) => { loadedAt = 0; throw error; });
  if (host !== chosen) return;
  points = align(cpu.points, memory.points);
  drawHistory();
}

/** Returns `[times, cpu, memory]` with one entry a moment. */
function align(...series) {
  const at = new Map();
  series.forEach((list, i) => {
    for (const p of list) {
      const x = Date.parse(p.time) / 1000;
      if (!at.has(x)) at.set(x, series.map(() => null));
      at.get(x)[i] = Number(p.value);
    }
  });
  const rows = [...at].sort((a, b) => a[0] - b[0]);
  return [rows.map((r) => r[0]), ...series.map((_, i) => rows.map((r) => r[1][i]))];
}

/** Draws the history again when its data, width, language or theme has changed. */
export function drawHistory() {
  const figure = byId("chart-history");
  figure.hidden = !chosen || points === null;
  if (figure.hidden) return;
  if (!figure.firstChild) {
    figure.append(h("figcaption", null, h("h3")), h("ul", { class: "legend" }), h("div", { class: "plot" }), h("details", null, h("summary"), h("div", { class: "scroll", tabindex: 0, role: "group" })));
  }
  const [caption, legend, box, details] = figure.children;
  const mark = JSON.stringify([chosen, points[0].length, points[0].at(-1), lang(), box.clientWidth, getComputedStyle(figure).color]);
  if (drawn === mark) return;
  drawn = mark;
  plot?.destroy();
  plot = null;
  const title = t("history", { host: cut(chosen, 60) });
  setText(caption.firstChild, title);
  details.hidden = legend.hidden = !points[0].length;
  if (!points[0].length) { box.replaceChildren(h("p", { class: "empty" }, t("no_history"))); return; }
  const values = h("span", { class: "muted" });
  legend.replaceChildren(h("li", null, h("span", { class: "swatch cpu" }), t("cpu")), h("li", null, h("span", { class: "swatch memory" }), t("memory")), h("li", null, values));
  const ink = (i) => getComputedStyle(legend.children[i].firstChild).color;
  const grid = { stroke: getComputedStyle(caption).borderTopColor, width: 1 };
  const axis = { stroke: getComputedStyle(values).color, grid, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const line = (i, dash) => ({ stroke: ink(i), width: 1.6, dash, points: { show: false }, spanGaps: false });
  box.replaceChildren();
  plot = new globalThis.uPlot({
    width: Math.max(240, box.clientWidth), height: 170, legend: { show: false }, cursor: { y: false, drag: { x: false, y: false } },
    scales: { y: { range: [0, 100] } }, series: [{}, line(0), line(1, [6, 3])],
    axes: [{ ...axis, size: 26, space: 60, values: (_, at) => at.map((x) => clock(new Date(x * 1000), false)) }, { ...axis, size: 40, space: 34, values: (_, at) => at.map((y) => `${y} %`) }],
    hooks: { setCursor: [(u) => setText(values, readout(u.cursor.idx ?? points[0].length - 1))] },
  }, points, box);
  setText(values, readout(points[0].length - 1));
  plot.root.setAttribute("role", "img");
  plot.root.setAttribute("aria-label", `${title}. ${readout(points[0].length - 1)}`);
  setText(details.firstChild, t("data_table"));
  details.lastChild.setAttribute("aria-label", `${title}: ${t("data_table")}`);
  const step = Math.ceil(points[0].length / 48);
  const rows = points[0].map((_, i) => i).filter((i) => i % step === 0).map((i) => [clock(new Date(points[0][i] * 1000), false), value(1, i), value(2, i)]);
  details.lastChild.replaceChildren(dataTable(title, [t("time"), t("cpu"), t("memory")], rows));
}

const value = (series, i) => (points[series][i] === null ? "–" : `${num(Math.round(points[series][i] * 10) / 10)} %`);
const readout = (i) => `${clock(new Date(points[0][i] * 1000), false)} · ${t("cpu")} ${value(1, i)} · ${t("memory")} ${value(2, i)}`;
