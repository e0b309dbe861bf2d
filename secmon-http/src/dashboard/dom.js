// Builds elements without ever reading data as markup, and updates lists in place.

// What turns the order of letters around would make a text say something else than what was logged.
const TURNS = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/g;

/** Writes characters that change the direction of a text as escapes. */
export const plain = (text) => text.replace(TURNS, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

const SVG = "http://www.w3.org/2000/svg";

function fill(el, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else if (name === "title" || name === "aria-label") el.setAttribute(name, plain(String(value)));
    else el.setAttribute(name, value === true ? "" : String(value));
  }
  const shown = children.flat().filter((child) => child !== null && child !== undefined && child !== false);
  el.append(...shown.map((child) => (typeof child === "string" ? plain(child) : child)));
  return el;
}

/** Makes an HTML element; strings among the children become text. */
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** Makes an SVG element. */
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Returns the element with this id. */
export const byId = (id) => document.getElementById(id);

/** Writes `text` only when it changes, so that nothing is announced or repainted in vain. */
export function setText(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

/** Says `text` to screen readers. */
export const say = (text) => setText(byId("live"), text);

const FOCUSABLE = "a[href],button,input,select,summary,[tabindex]";

/**
 * Makes the children of `parent` show `items`: one element an item, kept by key, rebuilt only when its signature changes.
 * Focus inside a rebuilt element goes to the same place in the new one.
 */
export function reconcile(parent, items, { key, signature, build }) {
  const wanted = new Set(items.map(key));
  for (const el of [...parent.children]) if (!wanted.has(el.dataset.key)) el.remove();
  const old = new Map([...parent.children].map((el) => [el.dataset.key, el]));
  let next = parent.firstElementChild;
  for (const item of items) {
    const id = key(item);
    const mark = signature(item);
    let el = old.get(id);
    if (el?.dataset.mark !== mark) {
      const fresh = build(item);
      fresh.dataset.key = id;
      fresh.dataset.mark = mark;
      if (el) {
        const focus = [...el.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
        if (el === next) next = fresh;
        el.replaceWith(fresh);
        if (focus >= 0) fresh.querySelectorAll(FOCUSABLE)[focus]?.focus({ preventScroll: true });
      }
      el = fresh;
    }
    if (el === next) next = el.nextElementSibling;
    else parent.insertBefore(el, next);
  }
}

/** Makes a table with explicit roles, which stay when a narrow screen lays its rows out as blocks. */
export function table(labelId, columns, classes = "") {
  const head = h("tr", { role: "row" }, columns.map((c) => h("th", { role: "columnheader", scope: "col", class: c.class }, c.label)));
  return h("table", { role: "table", class: classes, "aria-labelledby": labelId },
    h("thead", { role: "rowgroup" }, head), h("tbody", { role: "rowgroup" }));
}

/** Makes a cell of such a table. */
export const cell = (className, ...children) => h("td", { role: "cell", class: className }, ...children);

/** Shows `text` in place of what `el` holds. */
export function showEmpty(el, text) {
  if (el.dataset.empty === text) return;
  el.dataset.empty = text;
  el.replaceChildren(h("p", { class: "empty" }, text));
}
