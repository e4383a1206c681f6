// A list of many things: filter, sorting and pages. Where the server pages, it is asked for one page only, and for what
// is shown of each thing; a short list that comes whole is filtered, sorted and cut here, in the same way for the
// reader.
//
// A column is {id, label, text(row), node(row), sort, num, low}: `text` is what the cell says, and when that changes,
// `node` makes its content anew; `sort` is the server's name of what to sort by (false: not at all); `low` 1 to 3 says
// how soon a narrow screen goes without it.

import { fill, h, keyed, newId, setText } from "./dom.js";
import { withQuery } from "./api.js";
import { count } from "./format.js";
import { icon } from "./icons.js";
import { t, tn } from "./i18n.js";
import { compare, matcher } from "./narrowing.js";
import { empty } from "./parts.js";

const TYPING_MS = 250;
const SIZES = [25, 50, 100, 500];

/** The part of a list that both kinds share. Call `open()` once it is on the page. */
export class List {
  /** `path` is the API's; `fields` what is needed of each thing, for a list that the server pages. */
  constructor(
    view,
    {
      path,
      fields,
      columns,
      key,
      label,
      none,
      filters = [],
      local = false,
      sort,
      reverse = false,
      only,
      pageSize = 50,
    },
  ) {
    Object.assign(this, { view, path, fields, columns, key, label, none, local, only });
    const { query } = view;
    this.state = {
      name: query.name ?? "",
      use_regex: query.use_regex === "true",
      page: Number(query.page) || 1,
      page_size: Number(query.page_size) || pageSize,
      sort: query.sort ?? sort,
      sort_reverse: query.sort ? query.sort_reverse === "true" : reverse,
    };
    this.rows = [];
    this.element = h(
      "section",
      { class: "list card flush", "aria-label": label },
      this.makeBar(filters),
      this.makeTable(),
      this.makeFoot(),
    );
  }

  open() {
    this.ask();
  }

  // -- above and below ----------------------------------------------------------------------------------------------

  makeBar(filters) {
    const id = newId("filter");
    this.filter = h("input", {
      id,
      type: "search",
      value: this.state.name,
      placeholder: t("list.filter"),
      "data-filter": true,
      autocomplete: "off",
      spellcheck: "false",
      on: { input: () => this.typed(), keydown: (event) => event.key === "Escape" && this.filter.blur() },
    });
    this.regex = h("input", {
      type: "checkbox",
      checked: this.state.use_regex,
      on: { change: () => this.change({ use_regex: this.regex.checked, page: 1 }) },
    });
    this.total = h("span", { class: "total", role: "status" });
    return h(
      "div",
      { class: "bar" },
      h(
        "div",
        { class: "search" },
        icon("search"),
        h("label", { for: id, class: "unseen" }, t("list.filter")),
        this.filter,
        h(
          "label",
          { class: "regex", title: t("list.regexHint") },
          this.regex,
          h("span", {}, ".*"),
          h("span", { class: "unseen" }, t("list.regex")),
        ),
      ),
      filters,
      this.total,
    );
  }

  typed() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.change({ name: this.filter.value.trim(), page: 1 }), TYPING_MS);
  }

  makeFoot() {
    this.back = h(
      "button",
      {
        type: "button",
        class: "square",
        "aria-label": t("list.back"),
        on: { click: () => this.change({ page: this.state.page - 1 }) },
      },
      icon("left"),
    );
    this.forth = h(
      "button",
      {
        type: "button",
        class: "square",
        "aria-label": t("list.forth"),
        on: { click: () => this.change({ page: this.state.page + 1 }) },
      },
      icon("right"),
    );
    this.place = h("span", {});
    const id = newId("size");
    const size = h(
      "select",
      { id, on: { change: () => this.change({ page_size: Number(size.value), page: 1 }) } },
      SIZES.map((each) => h("option", { value: each, selected: each === this.state.page_size }, count(each))),
    );
    this.foot = h(
      "div",
      { class: "foot" },
      h("label", { for: id }, t("list.size")),
      size,
      h("span", { class: "gap" }),
      this.place,
      this.back,
      this.forth,
    );
    return this.foot;
  }

  // -- the table ----------------------------------------------------------------------------------------------------

  makeTable() {
    this.heads = this.columns.map((column) => {
      const classes = [column.num ? "num" : "", column.low ? `low${column.low}` : ""].join(" ");
      if (column.sort === false) return h("th", { scope: "col", class: classes }, column.label);
      const button = h(
        "button",
        { type: "button", on: { click: () => this.sortBy(column) } },
        column.label,
        h("i", { "aria-hidden": "true" }),
      );
      return h("th", { scope: "col", class: classes, "data-sort": sortOf(column) }, button);
    });
    this.body = h("tbody");
    this.nothing = h("div", { class: "nothing" });
    this.table = h(
      "table",
      {},
      h("caption", { class: "unseen" }, this.label),
      h("thead", {}, h("tr", {}, this.heads)),
      this.body,
    );
    this.put = keyed(this.body, { key: this.key, signature: () => "", make: (row) => this.makeRow(row) });
    this.cells = new Map();
    this.showSorting();
    return h(
      "div",
      { class: "scroll", tabindex: "0", role: "group", "aria-label": this.label },
      this.table,
      this.nothing,
    );
  }

  makeRow(row) {
    const cells = this.columns.map((column) =>
      h("td", {
        class: [column.num ? "num" : "", column.low ? `low${column.low}` : "", column.wide ? "wide" : ""].join(" "),
      }),
    );
    this.cells.set(this.key(row), { cells, texts: [] });
    return h("tr", {}, cells);
  }

  showRows(rows) {
    this.put(rows);
    for (const row of rows) {
      const { cells, texts } = this.cells.get(this.key(row));
      for (const [at, column] of this.columns.entries()) {
        const text = String(column.text(row));
        if (text === texts[at]) continue;
        texts[at] = text;
        if (column.node) fill(cells[at], column.node(row));
        else setText(cells[at], text);
      }
    }
    const keys = new Set(rows.map(this.key));
    for (const key of this.cells.keys()) if (!keys.has(key)) this.cells.delete(key);
    this.table.classList.toggle("empty-table", rows.length === 0);
    const without = this.state.name || this.narrowed?.();
    fill(this.nothing, rows.length === 0 && (without ? empty(t("list.noMatch"), t("list.noMatchText")) : this.none()));
  }

  sortBy(column) {
    const by = sortOf(column);
    const again = this.state.sort === by;
    // Numbers are looked at for the largest first.
    this.change({ sort: by, sort_reverse: again ? !this.state.sort_reverse : Boolean(column.num), page: 1 });
  }

  showSorting() {
    for (const head of this.heads) {
      const chosen = head.dataset.sort && head.dataset.sort === this.state.sort;
      if (chosen) head.setAttribute("aria-sort", this.state.sort_reverse ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }

  // -- what is shown ------------------------------------------------------------------------------------------------

  change(changes) {
    Object.assign(this.state, changes);
    const { name, use_regex, page, page_size, sort, sort_reverse } = this.state;
    this.view.requery({
      name,
      use_regex: use_regex || undefined,
      page: page > 1 ? page : undefined,
      page_size,
      sort,
      sort_reverse: sort ? sort_reverse : undefined,
    });
    this.showSorting();
    if (this.local && this.whole) this.cut();
    else this.ask();
  }

  /** Begin to follow what the state asks for. */
  ask() {
    this.stream?.stop();
    const { name, use_regex, page, page_size, sort, sort_reverse } = this.state;
    const address = typeof this.path === "function" ? this.path() : this.path;
    const columns = this.fields?.join(",");
    const query = this.local
      ? { columns }
      : {
          page,
          page_size,
          name,
          use_regex: name && use_regex ? "true" : undefined,
          pagination: "true",
          sort,
          sort_reverse: sort ? sort_reverse : undefined,
          columns,
        };
    this.stream = this.view.live({ list: withQuery(address, query) }, (_, data) => this.take(data));
  }

  take(data) {
    if (this.local) {
      this.whole = data.items ?? data;
      this.cut();
    } else this.showPage(data.items, data);
  }

  cut() {
    const { name, use_regex, page_size, sort, sort_reverse } = this.state;
    const fits = matcher(name, use_regex);
    const rows = this.whole.filter(
      (row) => (this.only?.(row) ?? true) && fits(this.searched?.(row) ?? row.name ?? this.key(row)),
    );
    const column = this.columns.find((each) => sortOf(each) === sort);
    if (column) {
      const value = column.value ?? column.text;
      rows.sort((one, other) => compare(value(one), value(other)) * (sort_reverse ? -1 : 1));
    }
    const page_count = Math.max(1, Math.ceil(rows.length / page_size));
    const page = Math.min(this.state.page, page_count);
    this.showPage(rows.slice((page - 1) * page_size, page * page_size), {
      page,
      page_count,
      filtered_count: rows.length,
      total_count: this.whole.length,
    });
  }

  showPage(rows, { page, page_count, filtered_count, total_count }) {
    this.rows = rows;
    this.state.page = page;
    setText(
      this.total,
      filtered_count === total_count
        ? tn("list.total", total_count)
        : tn("list.found", total_count, { found: count(filtered_count) }),
    );
    this.foot.hidden = page_count <= 1 && total_count <= SIZES[0];
    setText(this.place, t("list.page", { page: count(page), pages: count(page_count) }));
    this.back.disabled = page <= 1;
    this.forth.disabled = page >= page_count;
    this.showRows(rows);
    this.onShown?.();
  }

  refresh() {
    return this.stream?.refresh();
  }
}

function sortOf(column) {
  return column.sort ?? column.id;
}
