// The page of integrity: the last verification, streams and their keys, checkpoints, proofs of records, and anchors.

import { download, post } from "./api.js";
import { byId, h, reconcile, say, setText, showEmpty, table } from "./dom.js";
import { age, cut, num, time } from "./format.js";
import { lang, t } from "./i18n.js";

const MOST = 20;

let running = false;
let held = [];

/** Connects "Verify now" and the form of proofs; `refresh` loads everything again. */
export function initIntegrity(refresh) {
  byId("verify").addEventListener("click", async () => {
    if (running) return;
    setText(byId("verify-error"), "");
    try {
      await post("integrity/verify");
      showState("running");
      setTimeout(refresh, 1_000);
    } catch (error) {
      setText(byId("verify-error"), error.status === 403 ? t("verify_refused") : said(error));
    }
  });
  byId("proof-form").addEventListener("submit", (event) => {
    event.preventDefault();
    saveProof(byId("proof-stream").value, byId("proof-seq").valueAsNumber, byId("proof-error"));
  });
}

/** Offers the proof of a record as a file; `problem` shows why there is none. */
export async function saveProof(stream, seq, problem) {
  setText(problem, "");
  try {
    const href = URL.createObjectURL(await download(`records/${encodeURIComponent(stream)}/${seq}/proof`));
    h("a", { href, download: `${stream.slice(0, 8)}-${seq}.tlog-proof` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  } catch (error) {
    setText(problem, said(error));
  }
}

const said = (error) => (error.status ? error.message : t("unreachable"));

/** Shows what has been loaded. */
export function showIntegrity({ integrity, checkpoints }) {
  if (integrity) {
    const { streams, anchors } = integrity;
    showVerification(integrity);
    rows("streams", ["label", "origin", "records", "covered", "signing_epoch", "checkpoint", "state"], streams.flatMap((s) => [
      { key: s.stream, mark: s, cells: () => [s.label, short(s.origin, 20), num(s.size), num(s.covered), num(s.signing_epoch), time(s.last_checkpoint_at), t(s.closed ? "closed" : "open")] },
      { key: `${s.stream}/keys`, mark: [s.genesis_vkey, s.stream_vkey], wide: true, cells: () => [keys(s)] },
    ]), t("no_records"));
    rows("anchors", ["kind", "place", "stream", "size", "time"], anchors.map((a) => ({
      key: JSON.stringify(a), mark: labelOf(streams, a.stream),
      cells: () => [t(a.kind), h("span", { class: "mono" }, a.place), labelOf(streams, a.stream), num(a.size), time(a.at)],
    })), t("no_anchors"));
    showChoice(streams);
  }
  if (integrity && checkpoints) showCheckpoints(checkpoints, integrity.streams);
}

function showState(state) {
  if (running && state !== "running") say(t(state));
  running = state === "running";
  byId("verify").setAttribute("aria-disabled", String(running));
  byId("verdict").className = `verdict ${state}`;
  setText(byId("verdict"), t(state));
}

function showVerification({ running: now, verified, streams, alarms }) {
  const problems = [...alarms, ...(verified?.errors ?? [])];
  showState(now ? "running" : problems.length ? "wrong" : !verified ? "never" : verified.ok ? "sound" : "wrong");
  byId("problems").replaceChildren(...problems.map((text) => h("li", { lang: "en" }, text)));
  const checked = verified?.streams ?? [];
  const sum = (name) => checked.reduce((all, s) => all + s[name], 0);
  byId("verified").replaceChildren(...(verified ? [
    `${t("finished")} `, time(verified.at), ` (${t("ago", { time: age(verified.at) })}) · `,
    t("verified_what", { n: sum("records"), checkpoints: sum("checkpoints"), seconds: verified.seconds }),
    sum("expired") ? ` · ${t("expired_n", { n: sum("expired") })}` : "",
    sum("pruned") ? ` · ${t("pruned_n", { n: sum("pruned") })}` : "",
    sum("erased") ? ` · ${t("erased_n", { n: sum("erased") })}` : "",
  ] : []));
  const found = checked.flatMap((s) => s.findings.map((f) => ({ ...f, origin: s.origin })));
  byId("findings-table").hidden = !found.length;
  rows("findings", ["finding", "stream", "seq", "message"], found.slice(0, MOST).map((f, i) => ({
    key: String(i), mark: f,
    cells: () => [h("span", { class: "badge critical", title: f.verdict }, t(f.verdict)),
      streams.find((s) => s.origin === f.origin)?.label ?? short(f.origin, 20), String(f.seq), h("span", { lang: "en" }, f.detail)],
  })), "");
  setText(byId("findings-more"), found.length > MOST ? t("and_more", { n: found.length - MOST }) : "");
}

/** Shows the checkpoints; one whose note is being read stays although newer ones have pushed it out. */
function showCheckpoints(checkpoints, streams) {
  const keyOf = (c) => `${c.stream}/${c.size}`;
  const reading = new Set([...document.querySelectorAll("#checkpoints-table tr:has(details[open], :focus)")].map((row) => row.dataset.key));
  const fresh = new Set(checkpoints.map(keyOf));
  held = [...checkpoints, ...held.filter((c) => reading.has(keyOf(c)) && !fresh.has(keyOf(c)))];
  rows("checkpoints", ["time", "stream", "size", "root", "note"], held.map((c) => ({
    key: keyOf(c), mark: labelOf(streams, c.stream),
    cells: () => [time(c.issued_at), labelOf(streams, c.stream), num(c.size), short(c.root, 14),
      h("details", null, h("summary", null, t("show_note"), h("span", { class: "vh" }, ` ${num(c.size)}`)), h("pre", { tabindex: 0, role: "region", "aria-label": t("show_note") }, c.note))],
  })), t("no_checkpoint"));
}

/** Offers the streams in the form of proofs, and keeps the choice. */
function showChoice(streams) {
  const select = byId("proof-stream");
  const mark = JSON.stringify(streams.map((s) => [s.stream, s.label]));
  if (select.dataset.mark === mark) return;
  select.dataset.mark = mark;
  const chosen = select.value;
  select.replaceChildren(...streams.map((s) => h("option", { value: s.stream, selected: s.stream === chosen }, `${s.label} · ${s.stream.slice(0, 8)}`)));
}

function keys(stream) {
  return h("details", null, h("summary", null, t("public_keys", { label: stream.label })),
    [["vkey", stream.genesis_vkey], ["stream_vkey", stream.stream_vkey]].filter(([, key]) => key).map(([name, key]) => {
      const id = `${name}-${stream.stream}`;
      return [h("h3", { id: `${id}-title` }, t(name)), h("div", { class: "secret" }, h("code", { id }, key),
        h("button", { type: "button", "data-copy": id, "aria-describedby": `${id}-title` }, t("copy")))];
    }).flat());
}

const labelOf = (streams, id) => streams.find((s) => s.stream === id)?.label ?? id.slice(0, 8);
const short = (text, max) => h("span", { class: "mono", title: text }, cut(text, max));

/** Shows `items` in the table of the section `id`: each has a key, a mark that changes with it, and its cells. */
function rows(id, labels, items, empty) {
  const box = byId(`${id}-table`);
  if (!items.length) { showEmpty(box, empty); return; }
  if (box.dataset.lang !== lang() || !box.querySelector("table")) {
    box.dataset.lang = lang();
    delete box.dataset.empty;
    box.replaceChildren(table(`${id}-title`, labels.map((label) => ({ label: t(label) })), "stacked"));
  }
  const today = new Date().toDateString();
  reconcile(box.querySelector("tbody"), items, {
    key: (item) => item.key,
    signature: (item) => JSON.stringify([item.mark, today]),
    build: ({ wide, cells }) => h("tr", { role: "row", class: wide && "wide" }, cells().map((content, i) =>
      h("td", { role: "cell", colspan: wide && labels.length, "data-label": wide ? null : t(labels[i]) }, content))),
  });
}
