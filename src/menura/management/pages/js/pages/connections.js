// Who is connected, whatever they speak.

import { h } from "../dom.js";
import { bytes, count, duration, NONE, rateOf } from "../format.js";
import { t } from "../i18n.js";
import { List } from "../list.js";
import { chip, empty, header, link, rowLink, status, vhostLink } from "../parts.js";
import { listPath, vhostFilter } from "../vhosts.js";

const FIELDS = [
  "name",
  "user_provided_name",
  "client_properties",
  "user",
  "vhost",
  "protocol",
  "ssl",
  "state",
  "channels",
  "connected_at",
  "recv_oct_details.rate",
  "send_oct_details.rate",
  "variable_map",
  "client_id",
  "peer_host",
  "peer_port",
];
const KINDS = { running: "good", blocked: "bad", blocking: "warn", flow: "warn", closing: "", closed: "" };

/** What a client calls itself, or where it is. */
export function connectionTitle(connection) {
  return (
    connection.user_provided_name ||
    connection.client_id ||
    connection.variable_map?.client_id ||
    connection.client_properties?.connection_name ||
    connection.client_properties?.client_id ||
    connection.name
  );
}

export function connectionState(connection) {
  const state = connection.state ?? "running";
  return status(
    t(`connection.${state in KINDS ? state : "running"}`),
    KINDS[state] ?? "",
    t(`connection.${state in KINDS ? state : "running"}.hint`),
  );
}

export function protocolChip(connection) {
  const protocol = connection.protocol ?? "";
  const kind = protocol.includes("MQTT") ? "accent" : protocol.includes("STOMP") ? "warn" : "info";
  return h("span", {}, chip(protocol, kind), connection.ssl && chip("TLS", "good"));
}

const columns = () => [
  {
    id: "name",
    label: t("name"),
    text: (connection) => `${connectionTitle(connection)}${connection.name}`,
    node: nameCell,
  },
  {
    id: "user",
    label: t("user"),
    low: 1,
    text: (connection) => connection.user,
    node: (connection) => link(connection.user, "users", connection.user),
  },
  {
    id: "vhost",
    label: t("vhost"),
    low: 2,
    text: (connection) => connection.vhost,
    node: (connection) => vhostLink(connection.vhost),
  },
  {
    id: "protocol",
    label: t("protocol"),
    low: 1,
    text: (connection) => `${connection.protocol} ${connection.ssl}`,
    node: protocolChip,
  },
  { id: "state", label: t("state"), text: (connection) => connection.state ?? "", node: connectionState },
  { id: "channels", label: t("nav.channels"), num: true, low: 3, text: (connection) => count(connection.channels) },
  {
    id: "received",
    label: t("stats.recv_oct"),
    num: true,
    low: 2,
    sort: "recv_oct_details.rate",
    text: (connection) => octets(rateOf(connection, "recv_oct")),
  },
  {
    id: "sent",
    label: t("stats.send_oct"),
    num: true,
    low: 2,
    sort: "send_oct_details.rate",
    text: (connection) => octets(rateOf(connection, "send_oct")),
  },
  {
    id: "connected_at",
    label: t("connection.age"),
    num: true,
    low: 3,
    text: (connection) => duration(Date.now() - connection.connected_at),
  },
];

function octets(value) {
  return value === undefined ? NONE : `${bytes(value)}/s`;
}

function nameCell(connection) {
  const title = connectionTitle(connection);
  return h(
    "span",
    {},
    rowLink(title, "connections", connection.name),
    title !== connection.name && h("span", { class: "sub" }, connection.name),
  );
}

export function open(view) {
  view.title(t("nav.connections"));
  const path = () => {
    const address = listPath("connections");
    // Of one virtual host they are under its own path.
    return address === "/api/connections" ? address : `/api/vhosts/${address.split("/").at(-1)}/connections`;
  };
  const list = new List(view, {
    path,
    fields: FIELDS,
    columns: columns(),
    label: t("nav.connections"),
    key: (connection) => connection.name,
    sort: "name",
    filters: [vhostFilter(() => list.change({ page: 1 }))],
    none: () => empty(t("connections.none"), t("connections.noneText")),
  });
  view.show(header({ title: t("nav.connections") }), list.element);
  list.open();
}
