// The channels of all connections.

import { h } from "../dom.js";
import { count, rate, rateOf } from "../format.js";
import { t, word } from "../i18n.js";
import { List } from "../list.js";
import { chip, empty, header, link, rowLink, status, vhostLink } from "../parts.js";
import { listPath, vhostFilter } from "../vhosts.js";

const FIELDS = [
  "name",
  "number",
  "user",
  "vhost",
  "state",
  "confirm",
  "transactional",
  "consumer_count",
  "messages_unacknowledged",
  "messages_unconfirmed",
  "prefetch_count",
  "global_prefetch_count",
  "connection_details",
  "idle_since",
  "message_stats.publish_details.rate",
  "message_stats.deliver_get_details.rate",
  "message_stats.ack_details.rate",
];

export const channelColumns = () => [
  {
    id: "name",
    label: t("channel"),
    text: (channel) => channel.name,
    node: (channel) => rowLink(channel.name, "channels", channel.name),
  },
  {
    id: "user",
    label: t("user"),
    low: 2,
    text: (channel) => channel.user,
    node: (channel) => link(channel.user, "users", channel.user),
  },
  {
    id: "vhost",
    label: t("vhost"),
    low: 3,
    text: (channel) => channel.vhost,
    node: (channel) => vhostLink(channel.vhost),
  },
  {
    id: "mode",
    label: t("channel.mode"),
    low: 2,
    sort: false,
    text: (channel) => `${channel.confirm} ${channel.transactional}`,
    node: modeChips,
  },
  { id: "state", label: t("state"), low: 1, text: channelWord, node: channelState },
  { id: "consumer_count", label: t("consumers"), num: true, low: 2, text: (channel) => count(channel.consumer_count) },
  { id: "prefetch_count", label: t("prefetch"), num: true, low: 2, text: prefetch },
  {
    id: "messages_unacknowledged",
    label: t("stats.messages_unacknowledged"),
    num: true,
    text: (channel) => count(channel.messages_unacknowledged),
  },
  {
    id: "messages_unconfirmed",
    label: t("stats.messages_unconfirmed"),
    num: true,
    low: 3,
    text: (channel) => count(channel.messages_unconfirmed),
  },
  {
    id: "in",
    label: t("stats.publish"),
    num: true,
    sort: "message_stats.publish_details.rate",
    text: (channel) => rate(rateOf(channel.message_stats, "publish") ?? 0),
  },
  {
    id: "out",
    label: t("stats.deliver_get"),
    num: true,
    low: 1,
    sort: "message_stats.deliver_get_details.rate",
    text: (channel) => rate(rateOf(channel.message_stats, "deliver_get") ?? 0),
  },
];

export function prefetch(channel) {
  const { prefetch_count: own, global_prefetch_count: shared } = channel;
  if (shared) return `${own ? count(own) : "∞"} / ${count(shared)}`;
  return own ? count(own) : "∞";
}

export function modeChips(channel) {
  return h(
    "span",
    {},
    channel.confirm && chip("C", "", t("channel.confirm")),
    channel.transactional && chip("T", "", t("channel.transactional")),
  );
}

function channelWord(channel) {
  if (["flow", "blocked"].includes(channel.state)) return channel.state;
  return channel.idle_since ? "idle" : "running";
}

export function channelState(channel) {
  const state = channelWord(channel);
  return status(word("channel", state), { running: "good", idle: "" }[state] ?? "warn");
}

export function open(view) {
  view.title(t("nav.channels"));
  const path = () => {
    const address = listPath("channels");
    return address === "/api/channels" ? address : `/api/vhosts/${address.split("/").at(-1)}/channels`;
  };
  const list = new List(view, {
    path,
    fields: FIELDS,
    columns: channelColumns(),
    label: t("nav.channels"),
    key: (channel) => channel.name,
    sort: "name",
    filters: [vhostFilter(() => list.change({ page: 1 }))],
    none: () => empty(t("channels.none"), t("channels.noneText")),
  });
  view.show(header({ title: t("nav.channels") }), list.element);
  list.open();
}
