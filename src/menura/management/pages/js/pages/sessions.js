// Sessions and subscriptions: what clients that may go away have left here, in the words of their protocols.

import { h } from "../dom.js";
import { count, duration, NONE } from "../format.js";
import { t } from "../i18n.js";
import { List } from "../list.js";
import { chip, empty, header, link, rowLink, segmented, status, vhostLink } from "../parts.js";

const protocolOf = (row) => chip(row.protocol ?? NONE, /MQTT/i.test(row.protocol) ? "accent" : "warn");

export function open(view) {
  view.title(t("nav.sessions"));
  const kind = view.query.kind === "subscriptions" ? "subscriptions" : "sessions";
  const choice = segmented(
    t("sessions.kind"),
    [
      ["sessions", t("sessions.sessions")],
      ["subscriptions", t("sessions.subscriptions")],
    ],
    {
      chosen: kind,
      onChoose(value) {
        location.hash = value === "sessions" ? "#/sessions" : "#/sessions?kind=subscriptions";
      },
    },
  );
  const list = kind === "sessions" ? sessionList(view, choice) : subscriptionList(view, choice);
  view.show(header({ title: t("nav.sessions") }), list.element);
  list.open();
}

function sessionList(view, choice) {
  const list = new List(view, {
    path: "/api/menura/sessions",
    local: true,
    label: t("sessions.sessions"),
    sort: "client_id",
    filters: [choice],
    key: (session) => `${session.vhost}\n${session.protocol}\n${session.client_id}`,
    columns: [
      { id: "client_id", label: t("session.client"), text: (session) => session.client_id, node: nameCell },
      { id: "protocol", label: t("protocol"), low: 1, text: (session) => session.protocol ?? "", node: protocolOf },
      {
        id: "vhost",
        label: t("vhost"),
        low: 2,
        text: (session) => session.vhost,
        node: (session) => vhostLink(session.vhost),
      },
      {
        id: "connected",
        label: t("state"),
        text: (session) => String(session.connected),
        node: (session) => (session.connected ? status(t("session.here"), "good") : status(t("session.away"), "")),
      },
      {
        id: "subscriptions",
        label: t("sessions.subscriptions"),
        num: true,
        text: (session) => count(session.subscription_count),
        value: (session) => session.subscription_count,
      },
      {
        id: "messages",
        label: t("session.waiting"),
        num: true,
        low: 1,
        text: (session) => count(session.messages),
        value: (session) => session.messages ?? 0,
      },
      {
        id: "expires",
        label: t("session.expires"),
        num: true,
        low: 2,
        sort: false,
        text: (session) => expiry(session),
      },
    ],
    none: () => empty(t("sessions.none"), t("sessions.noneText")),
  });
  list.searched = (session) => session.client_id;
  return list;
}

/** The queue of a session is where its messages wait. */
function nameCell({ client_id: client, vhost, queues: [queue] = [] }) {
  return queue ? rowLink(client, "queues", vhost, queue.name) : h("b", { class: "name" }, client);
}

function expiry({ expires_at: at, expiry_seconds: seconds }) {
  if (at) return duration(at - Date.now());
  if (seconds === null) return t("session.forever");
  return seconds === undefined ? NONE : duration(seconds * 1000);
}

function subscriptionList(view, choice) {
  const list = new List(view, {
    path: "/api/menura/subscriptions",
    local: true,
    label: t("sessions.subscriptions"),
    sort: "source",
    filters: [choice],
    key: (each) => JSON.stringify([each.vhost, each.client, each.queue, each.source, each.id]),
    columns: [
      {
        id: "source",
        label: t("subscription.topic"),
        text: (each) => each.source,
        node: (each) => h("b", { class: "name mono" }, each.source),
      },
      { id: "protocol", label: t("protocol"), low: 1, text: (each) => each.protocol ?? "", node: protocolOf },
      {
        id: "client",
        label: t("session.client"),
        text: (each) => each.client,
        node: (each) =>
          each.connection_details
            ? link(each.client, "connections", each.connection_details.name)
            : h("span", {}, each.client),
      },
      { id: "vhost", label: t("vhost"), low: 2, text: (each) => each.vhost, node: (each) => vhostLink(each.vhost) },
      { id: "qos", label: t("subscription.qos"), low: 1, text: (each) => String(each.qos ?? each.ack_mode ?? NONE) },
      {
        id: "queue",
        label: t("queue"),
        low: 2,
        text: (each) => each.queue ?? "",
        node: (each) => each.queue && link(each.queue, "queues", each.vhost, each.queue),
      },
    ],
    none: () => empty(t("subscriptions.none"), t("subscriptions.noneText")),
  });
  list.searched = (each) => `${each.source} ${each.client}`;
  return list;
}
