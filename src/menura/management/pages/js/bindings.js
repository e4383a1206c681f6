// The bindings of a queue or an exchange, as a table with what can be done about them.

import { h } from "./dom.js";
import { exchangeName } from "./format.js";
import { icon } from "./icons.js";
import { t } from "./i18n.js";
import { chip, empty, link, valueTable } from "./parts.js";
import { removeBinding } from "./queue_actions.js";
import { shortTable } from "./tables.js";

/** `end` is which end is shown: "source" or "destination". */
export function bindingTable({ label, end, none, onChange }) {
  const name =
    end === "source"
      ? (binding) => link(exchangeName(binding.source), "exchanges", binding.vhost, binding.source)
      : (binding) =>
          h(
            "span",
            {},
            link(binding.destination, `${binding.destination_type}s`, binding.vhost, binding.destination),
            " ",
            chip(t(binding.destination_type)),
          );
  const unbind = (binding) =>
    binding.source !== "" &&
    h(
      "button",
      {
        type: "button",
        class: "bare danger",
        "aria-label": `${t("binding.remove")}: ${binding.routing_key}`,
        title: t("binding.remove"),
        on: { click: () => removeBinding(binding, onChange) },
      },
      icon("trash", 15),
    );
  return shortTable({
    label,
    key: (binding) =>
      [binding.source, binding.destination_type, binding.destination, binding.properties_key].join("\n"),
    columns: [
      { label: end === "source" ? t("binding.source") : t("binding.destination"), cell: name },
      { label: t("routingKey"), cell: (binding) => h("span", { class: "mono" }, binding.routing_key) },
      {
        label: t("arguments"),
        low: 1,
        wide: true,
        cell: (binding) => (Object.keys(binding.arguments).length ? valueTable(binding.arguments) : ""),
      },
      { label: "", num: true, cell: unbind },
    ],
    none: () => empty(none),
  });
}
