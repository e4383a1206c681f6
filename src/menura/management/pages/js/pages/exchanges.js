// All exchanges.

import { h } from "../dom.js";
import { exchangeName, rate, rateOf } from "../format.js";
import { t } from "../i18n.js";
import { declareExchange } from "../exchange_actions.js";
import { List } from "../list.js";
import { button, chip, empty, header, rowLink, vhostLink } from "../parts.js";
import { listPath, vhostFilter } from "../vhosts.js";

const FIELDS = [
  "name",
  "vhost",
  "type",
  "durable",
  "auto_delete",
  "internal",
  "arguments",
  "policy",
  "message_stats.publish_in_details.rate",
  "message_stats.publish_out_details.rate",
];

const columns = () => [
  {
    id: "name",
    label: t("name"),
    text: (exchange) => exchange.name,
    node: (exchange) => rowLink(exchangeName(exchange.name), "exchanges", exchange.vhost, exchange.name),
  },
  {
    id: "vhost",
    label: t("vhost"),
    low: 2,
    text: (exchange) => exchange.vhost,
    node: (exchange) => vhostLink(exchange.vhost),
  },
  { id: "type", label: t("type"), text: (exchange) => exchange.type, node: (exchange) => chip(exchange.type, "info") },
  {
    id: "features",
    label: t("features"),
    low: 2,
    sort: false,
    text: (exchange) =>
      JSON.stringify([exchange.durable, exchange.auto_delete, exchange.internal, exchange.policy, exchange.arguments]),
    node: exchangeFeatures,
  },
  {
    id: "in",
    label: t("stats.in"),
    num: true,
    sort: "message_stats.publish_in_details.rate",
    text: (exchange) => rate(rateOf(exchange.message_stats, "publish_in") ?? 0),
  },
  {
    id: "out",
    label: t("stats.out"),
    num: true,
    low: 1,
    sort: "message_stats.publish_out_details.rate",
    text: (exchange) => rate(rateOf(exchange.message_stats, "publish_out") ?? 0),
  },
];

export function exchangeFeatures(exchange) {
  const alternate = exchange.arguments?.["alternate-exchange"];
  return h(
    "span",
    {},
    exchange.durable && chip("D", "", t("queue.durable")),
    exchange.auto_delete && chip("AD", "", t("queue.autoDelete")),
    exchange.internal && chip("I", "", t("exchange.internal")),
    alternate && chip("AE", "", `alternate-exchange: ${alternate}`),
    exchange.policy && chip(exchange.policy, "accent", t("policy")),
  );
}

export function open(view) {
  view.title(t("nav.exchanges"));
  const declare = () => declareExchange(view, () => list.refresh());
  const list = new List(view, {
    path: () => listPath("exchanges"),
    fields: FIELDS,
    columns: columns(),
    label: t("nav.exchanges"),
    key: (exchange) => `${exchange.vhost}\n${exchange.name}`,
    sort: "name",
    filters: [vhostFilter(() => list.change({ page: 1 }))],
    none: () => empty(t("exchanges.none")),
  });
  view.show(
    header({
      title: t("nav.exchanges"),
      actions: [button(t("exchanges.declare"), { glyph: "plus", kind: "primary", action: declare, create: true })],
    }),
    list.element,
  );
  list.open();
}
