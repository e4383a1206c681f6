// The parts that pages are put together from: headers, sections, tiles, facts, chips, tabs, menus.

import { fill, h, newId, setText } from "./dom.js";
import { icon } from "./icons.js";
import { t } from "./i18n.js";
import { to } from "./router.js";
import { exchangeName, NONE, plain } from "./format.js";

/** A link to a page. */
export function link(text, ...parts) {
  return h("a", { href: to(...parts), class: "name" }, text);
}

/** The link that a row of a list is about: the keys j and k go from one to the next. */
export function rowLink(text, ...parts) {
  return h("a", { href: to(...parts), class: "name", "data-row-link": true, title: text }, text);
}

export function vhostLink(name) {
  return link(name, "vhosts", name);
}

export function exchangeLabel(name) {
  return h("span", { class: "name" }, exchangeName(name));
}

export function button(text, { glyph, kind = "", action, create = false, disabled = false } = {}) {
  return h(
    "button",
    { type: "button", class: kind, disabled, "data-create": create, on: { click: action } },
    glyph && icon(glyph, 15),
    h("span", {}, text),
  );
}

/** The head of a page: where it is, what it is called, and what can be done with it. */
export function header({ crumbs = [], title, chips = [], actions = [] }) {
  const trail =
    crumbs.length > 0 &&
    h(
      "nav",
      { class: "crumbs", "aria-label": t("crumbs") },
      h(
        "ol",
        {},
        crumbs.map((crumb) => h("li", {}, crumb)),
      ),
    );
  return h(
    "header",
    { class: "page-head" },
    h("div", { class: "page-title" }, trail, h("h1", { tabindex: "-1" }, title, " "), chips),
    h("div", { class: "actions" }, actions),
  );
}

export function section(title, content, { actions = [], note, flush = false } = {}) {
  const id = newId("section");
  return h(
    "section",
    { class: flush ? "card flush" : "card", "aria-labelledby": id },
    h(
      "header",
      {},
      h("h2", { id }, title),
      note && h("span", { class: "note" }, note),
      h("div", { class: "actions" }, actions),
    ),
    content,
  );
}

export function chip(text, kind = "", title) {
  return h("span", { class: `chip ${kind}`, title }, text);
}

/** A coloured dot with a word: the colour alone says nothing to some. */
export function status(text, kind, title) {
  return h("span", { class: `status ${kind}`, title }, h("i", { "aria-hidden": "true" }), text);
}

export function notice(kind, title, text, actions = []) {
  return h(
    "div",
    { class: `notice ${kind}` },
    icon(kind === "good" ? "check" : kind === "info" ? "info" : "alert", 18),
    h("div", {}, h("strong", {}, title), text && h("p", {}, text)),
    actions.length > 0 && h("div", { class: "actions" }, actions),
  );
}

export function empty(title, text, action) {
  return h("div", { class: "empty" }, h("strong", {}, title), text && h("p", {}, text), action);
}

/** Numbers side by side; `update({key: text})` changes them. */
export function tiles(described) {
  const values = new Map();
  const element = h(
    "dl",
    { class: "tiles" },
    described.map(({ key, label, href, kind, hint }) => {
      const value = h("dd", {}, NONE);
      const name = href ? h("a", { href }, label) : label;
      values.set(key, value);
      return h(
        "div",
        { class: `tile ${kind ?? ""}`, title: hint },
        h("dt", {}, kind && h("i", { "aria-hidden": "true" }), name),
        value,
      );
    }),
  );
  const update = (texts) => {
    for (const [key, text] of Object.entries(texts)) setText(values.get(key), text);
  };
  return { element, update };
}

/** Names and values, one under the other; `update([[name, text or node]])`. */
export function facts() {
  const element = h("dl", { class: "facts" });
  const shown = new Map();
  const update = (rows) => {
    const given = rows.filter((row) => row);
    if (given.length !== shown.size || given.some(([name]) => !shown.has(name))) {
      shown.clear();
      fill(
        element,
        given.map(([name]) => {
          const value = h("dd");
          shown.set(name, { value });
          return h("div", {}, h("dt", {}, name), value);
        }),
      );
    }
    for (const [name, content] of given) {
      const row = shown.get(name);
      const text = content instanceof Node ? content.textContent : String(content ?? NONE);
      if (row.text !== text) fill(row.value, content ?? NONE);
      row.text = text;
    }
  };
  return { element, update };
}

/** Arguments, headers and the like. */
export function valueTable(values) {
  const rows = Object.entries(values ?? {});
  if (!rows.length) return h("span", { class: "faint" }, t("none"));
  return h(
    "dl",
    { class: "values" },
    rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, plain(value)))),
  );
}

/** Tabs: `pages` is [{id, label, make}], made when first shown. */
export function tabs(pages, { chosen, onChoose }) {
  const bar = h("div", { class: "tabs", role: "tablist" });
  const panels = h("div");
  const made = new Map();
  const choose = (id, focus = false) => {
    if (!made.has(id)) {
      const page = pages.find((each) => each.id === id);
      const panel = h(
        "div",
        { role: "tabpanel", id: `panel-${id}`, "aria-labelledby": `tab-${id}`, class: "panel" },
        page.make(),
      );
      made.set(id, panel);
      panels.append(panel);
    }
    for (const [each, panel] of made) panel.hidden = each !== id;
    for (const tab of bar.children) {
      const selected = tab.id === `tab-${id}`;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
      if (selected && focus) tab.focus();
    }
    onChoose(id);
  };
  const turn = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const at = [...bar.children].findIndex((tab) => tab.tabIndex === 0);
    choose(pages[(at + by + pages.length) % pages.length].id, true);
  };
  bar.addEventListener("keydown", turn);
  fill(
    bar,
    pages.map(({ id, label }) =>
      h(
        "button",
        {
          role: "tab",
          type: "button",
          id: `tab-${id}`,
          "aria-controls": `panel-${id}`,
          on: { click: () => choose(id) },
        },
        label,
      ),
    ),
  );
  choose(pages.some((page) => page.id === chosen) ? chosen : pages[0].id);
  return { element: h("div", {}, bar, panels), choose };
}

/** A button that opens a short list of further actions: [{text, glyph, action, danger}]. */
export function menu(label, items) {
  const id = newId("menu");
  const list = h(
    "div",
    { class: "menu", id, popover: "auto", role: "menu" },
    items.map((item) =>
      h(
        "button",
        {
          type: "button",
          role: "menuitem",
          class: item.danger ? "danger" : "",
          on: {
            click: () => {
              list.hidePopover();
              item.action();
            },
          },
        },
        icon(item.glyph, 15),
        item.text,
      ),
    ),
  );
  const opener = h(
    "button",
    { type: "button", class: "square", popovertarget: id, "aria-haspopup": "menu", "aria-label": label, title: label },
    icon("more"),
  );
  list.addEventListener("toggle", (event) => {
    if (event.newState !== "open") return;
    const box = opener.getBoundingClientRect();
    list.style.setProperty("top", `${box.bottom + 4}px`);
    list.style.setProperty("right", `${Math.max(8, document.documentElement.clientWidth - box.right)}px`);
    list.firstChild.focus();
  });
  list.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const all = [...list.children];
    all[(all.indexOf(document.activeElement) + by + all.length) % all.length].focus();
  });
  return h("span", { class: "menu-holder" }, opener, list);
}

/** Choose one of a few: `options` is [[value, label]]. */
export function segmented(label, options, { chosen, onChoose }) {
  const element = h("div", { class: "segmented", role: "group", "aria-label": label });
  const choose = (value) => {
    for (const each of element.children)
      each.setAttribute("aria-pressed", String(each.dataset.value === String(value)));
  };
  fill(
    element,
    options.map(([value, text]) =>
      h(
        "button",
        {
          type: "button",
          "data-value": value,
          on: {
            click: () => {
              choose(value);
              onChoose(value);
            },
          },
        },
        text,
      ),
    ),
  );
  choose(chosen);
  return element;
}
