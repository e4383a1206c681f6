// What can be done with exchanges.

import { path, put, remove } from "./api.js";
import { ask, confirm } from "./dialog.js";
import { t } from "./i18n.js";
import { go } from "./router.js";
import { done } from "./toast.js";
import { vhostField } from "./vhosts.js";

const TYPES = [
  "direct",
  "fanout",
  "topic",
  "headers",
  "x-consistent-hash",
  "x-delayed-message",
  "x-random",
  "x-recent-history",
  "x-modulus-hash",
];

export function declareExchange(view, onDone) {
  return ask({
    title: t("exchanges.declare"),
    submit: t("declare"),
    fields: [
      vhostField(view),
      { name: "name", label: t("name"), required: true, mono: true },
      { name: "type", label: t("type"), kind: "choice", options: TYPES, value: "direct" },
      { name: "durable", label: t("queue.durable"), kind: "check", value: true, hint: t("exchange.durableHint") },
      { name: "auto_delete", label: t("queue.autoDelete"), kind: "check", hint: t("exchange.autoDeleteHint") },
      { name: "internal", label: t("exchange.internal"), kind: "check", hint: t("exchange.internalHint") },
      {
        name: "arguments",
        label: t("arguments"),
        kind: "table",
        names: ["alternate-exchange", "x-delayed-type", "hash-header", "hash-property"],
        hint: t("arguments.hint"),
      },
    ],
    async action({ vhost, name, ...said }) {
      await put(path("api", "exchanges", vhost, name), said);
      done(t("exchanges.declared", { name }));
      onDone();
    },
  });
}

export function deleteExchange({ vhost, name }) {
  return confirm({
    title: t("exchange.delete", { name }),
    text: t("exchange.deleteText"),
    submit: t("delete"),
    name,
    async action() {
      await remove(path("api", "exchanges", vhost, name));
      done(t("deleted", { name }));
      go("exchanges");
    },
  });
}
