// The charts that are drawn as SVG: each has a title, a description and the same data as a table.

import { h, s, setText } from "./dom.js";
import { clock, cut, filterLink, num, percent, windowStart } from "./format.js";
import { lang, locale, t } from "./i18n.js";

const HOUR = 3_600_000;

/** Draws into `figure` when its data, language or width has changed; what the reader opened stays open. */
function chart(figure, { title, empty, data, desc, legend, draw, columns, rows }) {
  const id = figure.id;
  if (!figure.firstChild) {
    figure.append(h("figcaption", null, h("h3")), h("div", { class: "plot" }), h("div", { class: "legend-box" }),
      h("details", null, h("summary"), h("div", { class: "scroll", tabindex: 0, role: "group" })));
  }
  const [caption, plot, legendBox, details] = figure.children;
  const mark = JSON.stringify([data, lang(), plot.clientWidth]);
  if (figure.dataset.mark === mark) return;
  figure.dataset.mark = mark;
  setText(caption.firstChild, title);
  details.hidden = legendBox.hidden = empty !== null;
  if (empty !== null) { plot.replaceChildren(h("p", { class: "empty" }, empty)); return; }
  const svg = draw(plot.clientWidth);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-labelledby", `${id}-title ${id}-desc`);
  svg.prepend(s("title", { id: `${id}-title` }, title), s("desc", { id: `${id}-desc` }, desc));
  plot.replaceChildren(svg);
  legendBox.replaceChildren(...legend());
  setText(details.firstChild, t("data_table"));
  details.lastChild.setAttribute("aria-label", `${title}: ${t("data_table")}`);
  details.lastChild.replaceChildren(dataTable(title, columns, rows()));
}

/** Makes the table behind a chart. */
export function dataTable(title, columns, rows) {
  return h("table", { class: "data" }, h("caption", { class: "vh" }, title),
    h("thead", null, h("tr", null, columns.map((c) => h("th", { scope: "col" }, c)))),
    h("tbody", null, rows.map(([first, ...rest]) => h("tr", null, h("th", { scope: "row" }, first), rest.map((c) => h("td", null, c))))));
}

/** Draws the split of events by outcome as a ring. */
export function drawOutcomes(figure, outcomes) {
  const count = Object.fromEntries(outcomes.map((o) => [o.value, o.count]));
  const parts = ["success", "failure", "unknown"].map((value) => ({ value, count: count[value] ?? 0 }));
  const total = parts.reduce((sum, p) => sum + p.count, 0);
  const share = (p) => percent(p.count, total, 1);
  chart(figure, {
    title: t("by_outcome"), data: parts, empty: total ? null : t("no_events"),
    desc: t("desc_outcomes", Object.fromEntries(parts.map((p) => [p.value, p.count]))),
    draw: () => {
      const radius = 64;
      const round = 2 * Math.PI * radius;
      const many = parts.filter((p) => p.count).length > 1;
      let at = 0;
      const arcs = parts.filter((p) => p.count).map((p) => {
        const length = (p.count / total) * round;
        const arc = s("circle", {
          class: `arc ${p.value}`, cx: 90, cy: 90, r: radius, transform: "rotate(-90 90 90)",
          "stroke-dasharray": `${Math.max(1.5, length - (many ? 2 : 0))} ${round}`, "stroke-dashoffset": -at,
        }, s("title", null, `${t(p.value)}: ${num(p.count)}`));
        at += length;
        return arc;
      });
      return s("svg", { viewBox: "0 0 180 180", class: "ring" }, arcs,
        s("text", { x: 90, y: 91, class: "ring-total" }, new Intl.NumberFormat(locale(), { notation: total > 99_999 ? "compact" : "standard" }).format(total)),
        s("text", { x: 90, y: 109, class: "ring-word" }, t("events")));
    },
    legend: () => [h("ul", { class: "legend rows" }, parts.map((p) => h("li", null,
      h("span", { class: `swatch ${p.value}` }), h("span", null, t(p.value)), h("b", null, num(p.count)), h("span", { class: "muted" }, share(p)))))],
    columns: [t("outcome"), t("count"), t("share")],
    rows: () => parts.map((p) => [t(p.value), num(p.count), share(p)]),
  });
}

/** Returns the values of the grid lines: round numbers, the last one not below `max`. */
function gridOf(max) {
  const rough = Math.max(1, max / 5);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((f) => f >= rough);
  return Array.from({ length: Math.ceil(max / step) + 1 }, (_, i) => i * step);
}

/** Draws the events of the last 24 hours, one bar an hour, with the failures laid over. */
export function drawHours(figure, hours) {
  const start = windowStart().getTime();
  const found = new Map(hours.map((x) => [Date.parse(x.hour), x]));
  const data = Array.from({ length: 24 }, (_, i) => {
    const at = start + i * HOUR;
    return { at, count: found.get(at)?.count ?? 0, failures: found.get(at)?.failures ?? 0 };
  });
  const peak = data.reduce((a, b) => (b.count > a.count ? b : a));
  const label = (at) => clock(new Date(at), false);
  chart(figure, {
    title: t("by_hour"), data, empty: peak.count ? null : t("no_events"),
    desc: t("desc_hours", { hour: label(peak.at), n: peak.count, failures: data.reduce((sum, d) => sum + d.failures, 0) }),
    draw: (width) => {
      const [w, height, left, bottom, head] = [Math.max(280, width), 218, 40, 20, 8];
      const lines = gridOf(peak.count);
      const top = lines.at(-1);
      const step = (w - left) / 24;
      const y = (n) => head + (height - head - bottom) * (1 - n / top);
      const base = y(0);
      const bar = (d, i, n, kind) => n > 0 && s("rect", {
        class: `bar ${kind}`, x: left + i * step + step * 0.14, width: step * 0.72, rx: 1.5,
        y: Math.min(y(n), base - 1.5), height: Math.max(1.5, base - y(n)),
      });
      const every = w < 420 ? 6 : 3;
      return s("svg", { viewBox: `0 0 ${w} ${height}`, width: w, height },
        lines.flatMap((n) => [
          s("line", { class: n ? "grid" : "grid axis", x1: left, x2: w, y1: y(n), y2: y(n) }),
          s("text", { class: "tick end", x: left - 7, y: y(n) + 4 }, new Intl.NumberFormat(locale(), { notation: "compact" }).format(n)),
        ]),
        data.map((d, i) => s("g", null, bar(d, i, d.count, "all"), bar(d, i, d.failures, "failure"),
          s("rect", { class: "hover", x: left + i * step, y: head, width: step, height: base - head },
            s("title", null, `${label(d.at)}  ${t("all_events")} ${num(d.count)}, ${t("of_failures")} ${num(d.failures)}`)))),
        data.map((d, i) => i % every === 0 && s("text", { class: "tick mid", x: left + i * step + step / 2 + (i ? 0 : 6), y: height - 4 }, label(d.at))));
    },
    legend: () => [h("ul", { class: "legend" },
      h("li", null, h("span", { class: "swatch all" }), t("all_events")), h("li", null, h("span", { class: "swatch failure" }), t("of_failures")))],
    columns: [t("hour"), t("all_events"), t("failures")],
    rows: () => data.map((d) => [label(d.at), num(d.count), num(d.failures)]),
  });
}

/** Draws the addresses with the most failures as horizontal bars. */
export function drawTop(figure, top) {
  const data = top.slice(0, 10);
  const max = data.reduce((m, d) => Math.max(m, d.count), 0);
  chart(figure, {
    title: t("top_ips"), data, empty: data.length ? null : t("no_failing"),
    desc: data.length ? t("desc_top", { value: String(data[0].value), n: data[0].count }) : "",
    draw: (width) => {
      const [w, row] = [Math.max(240, width), 22];
      const fit = Math.floor((w - 60) / 7.3);
      return s("svg", { viewBox: `0 0 ${w} ${data.length * row}`, width: w, height: data.length * row },
        data.map((d, i) => s("g", null,
          s("rect", { class: "track", x: 0, y: i * row + 1, width: w - 52, height: row - 4, rx: 2 }),
          s("rect", { class: "tint", x: 0, y: i * row + 1, width: Math.max(3, (d.count / max) * (w - 52)), height: row - 4, rx: 2 }),
          s("rect", { class: "bar failure", x: 0, y: i * row + 1, width: 3, height: row - 4 }),
          s("text", { class: "name", x: 10, y: i * row + 14 }, cut(String(d.value), fit)),
          s("text", { class: "value", x: w, y: i * row + 14 }, num(d.count)),
          s("title", null, `${d.value}: ${num(d.count)}`))));
    },
    legend: () => [],
    columns: [t("address"), t("failures")],
    rows: () => data.map((d) => [filterLink("source.ip", String(d.value)), num(d.count)]),
  });
}
