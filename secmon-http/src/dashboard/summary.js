// The tiles of the summary and the table of open incidents.

import { byId, cell, h, reconcile, say, setText, showEmpty, table } from "./dom.js";
import { age, badge, cut, filterLink, LEVELS, num, percent, time } from "./format.js";
import { lang, t } from "./i18n.js";

/** Shows the tiles from what has been loaded so far. */
export function showTiles({ totals, outcomes, checkpoints }) {
  const open = totals?.open_incidents ?? {};
  const worst = LEVELS.findLast((level) => open[level] > 0);
  const openCount = Object.values(open).reduce((sum, n) => sum + n, 0);
  const events = outcomes?.reduce((sum, o) => sum + o.count, 0);
  const failures = outcomes?.find((o) => o.value === "failure")?.count ?? 0;
  const last = checkpoints?.[0];
  const tiles = [
    { name: "open_incidents", tone: totals && (worst ?? "fine"), value: totals && num(openCount),
      sub: totals && (openCount ? LEVELS.filter((l) => open[l] > 0).reverse().map((l) => [l, open[l]]) : t("none_open")) },
    { name: "records_sealed", value: totals && num(totals.records),
      sub: totals && t("streams_hosts", { streams: t("streams", { n: totals.streams }), hosts: t("hosts_n", { n: totals.hosts }) }) },
    { name: "events_24h", value: outcomes && num(events), sub: outcomes && t("per_hour", { n: Math.round(events / 24) }) },
    { name: "failures_24h", tone: failures ? "failure" : "", value: outcomes && num(failures), sub: outcomes && t("of_events", { pct: percent(failures, events, 1) }) },
    { name: "checkpoint", value: checkpoints && (last ? t("ago", { time: age(last.issued_at) }) : t("no_checkpoint")), title: last?.issued_at,
      sub: checkpoints && (last ? t("checkpoint_sub", { n: last.size, epoch: last.epoch }) : t("checkpoint_wait")) },
  ];
  reconcile(byId("tiles"), tiles, {
    key: (tile) => tile.name,
    signature: (tile) => JSON.stringify([tile, lang()]),
    build: ({ name, tone, value, sub, title }) => h("div", { class: `tile ${tone ?? ""}` },
      h("dt", null, t(name)),
      h("dd", { class: "big", title }, value ?? "–"),
      h("dd", { class: "sub" }, Array.isArray(sub) ? sub.map(([level, n]) => h("span", { class: `badge ${level}` }, `${num(n)} ${t(level)}`)) : sub ?? " ")),
  });
}

let known = null;

/** Shows the open incidents; tells screen readers when there is a new one. */
export function showIncidents(incidents, meta) {
  const box = byId("incidents-table");
  setText(byId("incidents-more"), meta?.next_page ? t("more", { n: incidents.length }) : "");
  if (known && incidents.some((i) => !known.has(String(i.id)))) say(t("new_incidents", { n: incidents.length }));
  known = new Set(incidents.map((i) => String(i.id)));
  if (!incidents.length) { showEmpty(box, t("no_incidents")); return; }
  if (box.dataset.lang !== lang() || !box.querySelector("table")) {
    box.dataset.lang = lang();
    delete box.dataset.empty;
    box.replaceChildren(table("incidents-title", [
      { label: t("level"), class: "c-level" }, { label: t("incident"), class: "c-title" }, { label: t("group"), class: "c-group" },
      { label: t("count"), class: "c-count" }, { label: t("first"), class: "c-time" }, { label: t("last"), class: "c-time c-last" },
    ], "incidents"));
  }
  reconcile(box.querySelector("tbody"), incidents, {
    key: (i) => String(i.id),
    signature: (i) => JSON.stringify([i, new Date().toDateString()]),
    build: (i) => h("tr", { role: "row" },
      cell("c-level", badge(i.level)),
      cell("c-title", h("span", { class: "title" }, cut(String(i.title ?? i.rule), 200)), h("span", { class: "rule mono" }, String(i.rule)),
        i.reason ? h("span", { class: "reason" }, cut(String(i.reason), 400)) : null),
      cell("c-group", group(i.group)),
      cell("c-count", num(i.count)),
      cell("c-time", time(i.first)),
      cell("c-time c-last", time(i.last))),
  });
}

function group(fields) {
  const entries = Object.entries(fields ?? {});
  if (!entries.length) return "–";
  return entries.map(([name, value]) => h("span", { class: "pair" }, h("span", { class: "muted mono" }, `${name}=`), filterLink(name, String(value), cut(String(value), 80))));
}
