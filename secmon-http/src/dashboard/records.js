// The latest records: the filter, whose state is the URL's query, the table, its open rows and its pages.

import { get } from "./api.js";
import { byId, cell, h, reconcile, say, setText, showEmpty, table } from "./dom.js";
import { badge, cut, field, filterLink, LEVELS, time } from "./format.js";
import { lang, t } from "./i18n.js";
import { saveProof } from "./integrity.js";

const FIELDS = ["text", "host.name", "source.ip", "user.name", "level_min"];
const LIMIT = 25;
const SOON = 120_000;

const open = new Set();
let shown = [];
let nextPage = null;
let ahead = false;
let round = 0;
let asked = false;

const keyOf = (record) => `${record.stream}/${record.seq}`;
const state = () => new URLSearchParams(location.search);
const showsAhead = () => state().has("ahead");

function form() {
  return byId("filter").elements;
}

/** Connects the form, the pages and the links that filter; `refresh` loads everything again. */
export function initRecords(refresh) {
  const go = (query) => {
    history.pushState(null, "", query.size ? `?${query}` : location.pathname);
    fillForm();
    asked = true;
    refresh();
  };
  byId("filter").addEventListener("submit", (event) => {
    event.preventDefault();
    const query = new URLSearchParams();
    for (const name of FIELDS) {
      const value = form()[name].value.trim();
      if (value) query.set(name, value);
    }
    go(query);
  });
  byId("filter").addEventListener("reset", (event) => { event.preventDefault(); go(new URLSearchParams()); });
  byId("older").addEventListener("click", () => {
    const query = state();
    query.set("page", nextPage);
    go(query);
    byId("records").scrollIntoView();
  });
  byId("newest").addEventListener("click", () => {
    const query = state();
    query.delete("page");
    go(query);
    byId("records").scrollIntoView();
  });
  byId("records-ahead").addEventListener("click", () => go(new URLSearchParams(showsAhead() ? {} : { ahead: "1" })));
  addEventListener("popstate", () => { fillForm(); refresh(); });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-filter]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(new URLSearchParams({ [link.dataset.filter]: link.dataset.value }));
    byId("records").scrollIntoView();
  });
  byId("records-table").addEventListener("click", (event) => {
    const row = event.target.closest("tr.record");
    if (!row || event.target.closest("a") || getSelection().type === "Range") return;
    const key = row.dataset.record;
    if (!open.delete(key)) open.add(key);
    draw();
  });
}

/** Writes the query of the URL into the form, and the levels in the reader's language. */
export function fillForm() {
  const query = state();
  const select = form().level_min;
  select.replaceChildren(h("option", { value: "" }, t("any")), ...LEVELS.slice(1).map((l) => h("option", { value: l }, t(l))));
  for (const name of FIELDS) form()[name].value = query.get(name) ?? "";
}

/** Loads the page of records that the URL names; an answer that was overtaken by a newer question is dropped. */
export async function loadRecords() {
  const mine = ++round;
  const query = { limit: LIMIT };
  for (const name of [...FIELDS, "page"]) query[name] = state().get(name);
  // One clock that is ahead must not keep all that happens now from view.
  const soon = new Date(Date.now() + SOON).toISOString();
  query[showsAhead() ? "since" : "until"] = soon;
  try {
    const later = showsAhead() ? null : get("records", { since: soon, limit: 1 });
    const [{ records, meta }, one] = await Promise.all([get("records", query), later]);
    if (mine !== round) return;
    ahead = one?.records.length > 0;
    setText(byId("filter-error"), "");
    const held = query.page || asked ? [] : shown.filter((r) => isHeld(r, records));
    shown = [...records, ...held];
    nextPage = meta?.next_page ?? null;
    if (asked) say(t("shown", { n: records.length }));
    asked = false;
    draw();
  } catch (error) {
    if (mine !== round) return;
    if (error.status !== 400 && error.status !== 422) throw error;
    setText(byId("filter-error"), error.message);
  }
}

/** Tells whether a record that has left the page is still being read: it is open, or holds the focus. */
function isHeld(record, fresh) {
  const key = keyOf(record);
  if (fresh.some((r) => keyOf(r) === key)) return false;
  return open.has(key) || document.activeElement?.closest?.("tr.record")?.dataset.record === key;
}

/** Forgets what is shown, as the next reader may be another. */
export function clearRecords() {
  shown = [];
  open.clear();
  byId("records-table").replaceChildren();
}

/** Shows the records that were loaded last. */
export function draw() {
  const box = byId("records-table");
  const query = state();
  const note = query.has("page") ? t("older_page") : showsAhead() ? t("shows_ahead") : ahead ? t("ahead") : "";
  setText(byId("records-note"), note);
  const other = byId("records-ahead");
  other.hidden = !ahead && !showsAhead();
  setText(other, t(showsAhead() ? "show_now" : "show_ahead"));
  byId("older").hidden = !nextPage;
  byId("newest").hidden = !query.has("page");
  if (!shown.length) {
    // A search may end with its time before it is at the end.
    if (nextPage) return showEmpty(box, t("none_so_far"));
    showEmpty(box, FIELDS.some((f) => query.get(f)) ? t("no_match") : t("no_records"));
    return;
  }
  if (box.dataset.lang !== lang() || !box.querySelector("table")) {
    box.dataset.lang = lang();
    delete box.dataset.empty;
    box.replaceChildren(table("records-title", [
      { label: t("time"), class: "c-time" }, { label: t("level"), class: "c-level" }, { label: t("host"), class: "c-host" },
      { label: t("action_outcome"), class: "c-action" }, { label: t("source_ip"), class: "c-ip" }, { label: t("user"), class: "c-user" },
      { label: t("message"), class: "c-message" },
    ], "records"));
  }
  const today = new Date().toDateString();
  const dated = shown.some((r) => new Date(r.event?.["@timestamp"] ?? r.sealed_at).toDateString() !== today);
  box.querySelector("table").classList.toggle("dated", dated);
  const rows = shown.flatMap((r) => (open.has(keyOf(r)) ? [{ r }, { r, detail: true }] : [{ r }]));
  reconcile(box.querySelector("tbody"), rows, {
    key: ({ r, detail }) => keyOf(r) + (detail ? "/detail" : ""),
    signature: ({ r }) => `${today} ${open.has(keyOf(r))} ${r.expires}`,
    build: ({ r, detail }) => (detail ? detailRow(r) : recordRow(r)),
  });
}

const detailId = (r) => `detail-${keyOf(r).replace(/[^\w-]/g, "-")}`;

function recordRow(r) {
  const event = r.event ?? {};
  const isOpen = open.has(keyOf(r));
  const outcome = field(event, "event.outcome");
  const [host, ip, user] = ["host.name", "source.ip", "user.name"].map((name) => field(event, name));
  const action = field(event, "event.action") || field(event, "event.kind");
  const message = field(event, "message") || field(event, "raw") || field(event, "event.original") || fieldsOf(event);
  const link = (name, value) => value && filterLink(name, value, cut(value, 80));
  return h("tr", { role: "row", class: `record ${isOpen ? "open" : ""}`, "data-record": keyOf(r) },
    cell("c-time", h("button", {
      type: "button", class: "twist", "aria-expanded": String(isOpen), "aria-controls": isOpen ? detailId(r) : null,
      "aria-label": t("details", { seq: String(r.seq) }),
    }), time(event["@timestamp"] ?? r.sealed_at)),
    cell("c-level", badge(r.level)),
    cell("c-host", link("host.name", host)),
    cell("c-action", outcomeMark(outcome), action && h("span", { class: "mono" }, cut(action, 60))),
    cell("c-ip", link("source.ip", ip)),
    cell("c-user", link("user.name", user)),
    cell("c-message", cut(message, 240)));
}

const SHOWN = ["@timestamp", "host.name", "source.ip", "user.name", "event.action", "event.kind", "event.outcome", "event.category", "product", "category", "service"];

/** Returns the fields that no column shows, for an event without a message such as a measurement. */
function fieldsOf(event) {
  return Object.keys(event).filter((name) => !SHOWN.includes(name)).map((name) => `${name}=${cut(field(event, name), 80)}`).join(" ");
}

/** Makes the mark of an outcome: its shape tells it, and its word is there for the pointer and the screen reader. */
function outcomeMark(outcome) {
  const shape = { success: "✓", failure: "✕", unknown: "?" }[outcome];
  const word = shape ? t(outcome) : cut(outcome, 30);
  return h("span", { class: `outcome ${shape ? outcome : ""}`, title: word },
    h("span", { "aria-hidden": "true" }, shape ?? ""), h("span", { class: "vh" }, word, " "));
}

function detailRow(r) {
  const fact = (name, value) => [h("dt", null, t(name)), h("dd", { class: "mono" }, value ?? "–")];
  const problem = h("p", { class: "error", role: "alert" });
  return h("tr", { role: "row", class: "detail", id: detailId(r) },
    h("td", { role: "cell", colspan: 7 },
      h("dl", { class: "facts" }, fact("stream", String(r.stream)), fact("seq", String(r.seq)), fact("leaf", String(r.leaf)),
        fact("sealed_at", r.sealed_at && time(r.sealed_at)), r.expires ? fact("expires", String(r.expires)) : []),
      h("p", { class: "proof" }, h("button", { type: "button", onclick: () => saveProof(r.stream, r.seq, problem) }, t("proof"))), problem,
      h("pre", { tabindex: 0, role: "region", "aria-label": t("details", { seq: String(r.seq) }) }, JSON.stringify(r.event, null, 2))));
}
