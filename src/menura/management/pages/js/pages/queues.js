// All queues.

import { h } from "../dom.js";
import { bytes, count, plain, rate, rateOf } from "../format.js";
import { t } from "../i18n.js";
import { List } from "../list.js";
import { button, chip, empty, header, rowLink, vhostLink } from "../parts.js";
import { declareQueue } from "../queue_actions.js";
import { queueState } from "../queue_state.js";
import { listPath, vhostFilter } from "../vhosts.js";

const FIELDS = [
  "name",
  "vhost",
  "type",
  "durable",
  "exclusive",
  "auto_delete",
  "arguments",
  "policy",
  "state",
  "messages",
  "messages_ready",
  "messages_unacknowledged",
  "messages_details.rate",
  "message_bytes",
  "consumers",
  "message_stats.publish_details.rate",
  "message_stats.deliver_get_details.rate",
  "message_stats.ack_details.rate",
];

const columns = () => [
  {
    id: "name",
    label: t("name"),
    text: (queue) => queue.name,
    node: (queue) => rowLink(queue.name, "queues", queue.vhost, queue.name),
  },
  { id: "vhost", label: t("vhost"), low: 2, text: (queue) => queue.vhost, node: (queue) => vhostLink(queue.vhost) },
  {
    id: "features",
    label: t("features"),
    low: 3,
    sort: false,
    text: (queue) => featureNames(queue).join(" "),
    node: queueFeatures,
  },
  {
    id: "state",
    label: t("state"),
    sort: "messages_details.rate",
    text: (queue) => queueState(queue).word,
    node: (queue) => queueState(queue).element(),
  },
  { id: "messages_ready", label: t("stats.messages_ready"), num: true, text: (queue) => count(queue.messages_ready) },
  {
    id: "messages_unacknowledged",
    label: t("stats.messages_unacknowledged"),
    num: true,
    low: 2,
    text: (queue) => count(queue.messages_unacknowledged),
  },
  {
    id: "in",
    label: t("stats.in"),
    sort: "message_stats.publish_details.rate",
    num: true,
    low: 1,
    text: (queue) => rate(rateOf(queue.message_stats, "publish") ?? 0),
  },
  {
    id: "out",
    label: t("stats.out"),
    sort: "message_stats.deliver_get_details.rate",
    num: true,
    low: 1,
    text: (queue) => rate(rateOf(queue.message_stats, "deliver_get") ?? 0),
  },
  { id: "consumers", label: t("consumers"), num: true, low: 1, text: (queue) => count(queue.consumers) },
  { id: "message_bytes", label: t("size"), num: true, low: 3, text: (queue) => bytes(queue.message_bytes) },
];

export function featureNames(queue) {
  return [
    queue.type && queue.type !== "classic" && queue.type,
    queue.durable && "D",
    queue.auto_delete && "AD",
    queue.exclusive && "Excl",
    queue.policy && `↳ ${queue.policy}`,
    ...Object.entries(queue.arguments ?? {}).map(([name, value]) => `${name}=${plain(value)}`),
  ].filter(Boolean);
}

const ARGUMENT_MARKS = {
  "x-message-ttl": "TTL",
  "x-expires": "Exp",
  "x-max-length": "Lim",
  "x-max-length-bytes": "Lim B",
  "x-dead-letter-exchange": "DLX",
  "x-dead-letter-routing-key": "DLK",
  "x-max-priority": "Pri",
  "x-single-active-consumer": "SAC",
  "x-overflow": "Ovfl",
  "x-queue-type": null,
};

/** Short marks, with the whole in the tip. */
export function queueFeatures(queue) {
  const chips = [];
  if (queue.type && queue.type !== "classic") chips.push(chip(queue.type, "info"));
  if (queue.durable) chips.push(chip("D", "", t("queue.durable")));
  if (queue.auto_delete) chips.push(chip("AD", "", t("queue.autoDelete")));
  if (queue.exclusive) chips.push(chip("Excl", "", t("queue.exclusive")));
  for (const [name, value] of Object.entries(queue.arguments ?? {})) {
    const mark = ARGUMENT_MARKS[name];
    if (mark !== null) chips.push(chip(mark ?? name, "", `${name}: ${plain(value)}`));
  }
  if (queue.policy) chips.push(chip(queue.policy, "accent", t("policy")));
  return h("span", {}, chips);
}

export function open(view) {
  view.title(t("nav.queues"));
  const declare = () => declareQueue(view, () => list.refresh());
  const list = new List(view, {
    path: () => listPath("queues"),
    fields: FIELDS,
    columns: columns(),
    label: t("nav.queues"),
    key: (queue) => `${queue.vhost}\n${queue.name}`,
    sort: "name",
    filters: [vhostFilter(() => list.change({ page: 1 }))],
    none: () =>
      empty(
        t("queues.none"),
        t("queues.noneText"),
        button(t("queues.declare"), { glyph: "plus", kind: "primary", action: declare }),
      ),
  });
  view.show(
    header({
      title: t("nav.queues"),
      actions: [button(t("queues.declare"), { glyph: "plus", kind: "primary", action: declare, create: true })],
    }),
    list.element,
  );
  list.open();
}
