// A short table inside a page: all rows at once, in the order they come.

import { fill, h, keyed } from "./dom.js";

const classes = (column) =>
  [column.num ? "num" : "", column.low ? `low${column.low}` : "", column.wide ? "wide" : ""].join(" ");

/** Shows rows in `body`. A cell is made anew when its `text(row)` differs, or, without one, when anything of its row
 * does: a link stays the same element while numbers beside it change, or a press that lasts longer than that would
 * click nothing.
 */
export function tableRows(body, { key, columns }) {
  const known = new WeakMap();
  const update = (element, row) => {
    const { cells, signs } = known.get(element);
    const whole = JSON.stringify(row);
    for (const [at, column] of columns.entries()) {
      const sign = column.text ? String(column.text(row)) : whole;
      if (sign !== signs[at]) fill(cells[at], column.cell(row));
      signs[at] = sign;
    }
  };
  const make = (row) => {
    const cells = columns.map((column) => h("td", { class: classes(column) }));
    const element = h("tr", {}, cells);
    known.set(element, { cells, signs: [] });
    update(element, row);
    return element;
  };
  return keyed(body, { key, make, update });
}

/** `columns` is [{label, cell(row), text(row), num, low}]; `update(rows)` shows them, or `none` if there are none. */
export function shortTable({ label, columns, key, none }) {
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
  const put = tableRows(body, { key, columns });
  const element = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": label }, table, nothing);
  const update = (rows) => {
    put(rows);
    table.hidden = rows.length === 0;
    if (rows.length === 0 && !nothing.firstChild) fill(nothing, none());
    else if (rows.length) fill(nothing);
  };
  return { element, update };
}
