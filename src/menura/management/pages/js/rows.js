// What the short lists of the administration share: a button at the end of a row.

import { h } from "./dom.js";
import { icon } from "./icons.js";

/** Buttons of a row: [{glyph, label, action, danger}]. */
export function rowActions(...actions) {
  return h(
    "span",
    { class: "row-actions" },
    actions.filter(Boolean).map(({ glyph, label, action, danger }) =>
      h(
        "button",
        {
          type: "button",
          class: danger ? "bare danger" : "bare",
          title: label,
          "aria-label": label,
          on: { click: action },
        },
        icon(glyph, 15),
      ),
    ),
  );
}
