// A short table inside a page: all rows at once, in the order they come.

import { fill, h, keyed } from "./dom.js";

/** `columns` is [{label, cell(row), num, low}]; `update(rows)` shows rows, or `none` where there are none. */
export function shortTable({ label, columns, key, none }) {
  const classes = (column) =>
    [column.num ? "num" : "", column.low ? `low${column.low}` : "", column.wide ? "wide" : ""].join(" ");
  const body = h("tbody");
  const nothing = h("div", {});
  const table = h(
    "table",
    {},
    h("caption", { class: "unseen" }, label),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        columns.map((column) =>
          column.label ? h("th", { scope: "col", class: classes(column) }, column.label) : h("td", {}),
        ),
      ),
    ),
    body,
  );
  const put = keyed(body, {
    key,
    make: (row) =>
      h(
        "tr",
        {},
        columns.map((column) => h("td", { class: classes(column) }, column.cell(row))),
      ),
  });
  const element = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": label }, table, nothing);
  const update = (rows) => {
    put(rows);
    table.hidden = rows.length === 0;
    if (rows.length === 0 && !nothing.firstChild) fill(nothing, none());
    else if (rows.length) fill(nothing);
  };
  return { element, update };
}
