// One connection: who it is, what it sends and takes, and why it is held back if it is.

import { path, remove, withQuery } from "../api.js";
import { ask } from "../dialog.js";
import { fill, h, keyed } from "../dom.js";
import { bytes, count, duration, moment, rateOf } from "../format.js";
import { t, word } from "../i18n.js";
import { button, chip, empty, facts, header, link, notice, section, tiles, valueTable, vhostLink } from "../parts.js";
import { go } from "../router.js";
import { channelColumns } from "./channels.js";
import { connectionState, connectionTitle, protocolChip } from "./connections.js";
import { done } from "../toast.js";
import { dataChart } from "../traffic.js";
import { shortTable } from "../tables.js";
import { windowQuery } from "../windows.js";

export function open(view) {
  const { name } = view.params;
  view.title(name);
  const address = path("api", "connections", name);
  const head = h("div", {});
  const why = h("div", { class: "notices", role: "status" });
  const putHead = keyed(head, {
    key: () => "head",
    signature: (connection) => JSON.stringify([connectionTitle(connection), connection.state, connection.protocol]),
    make: (connection) =>
      header({
        crumbs: [link(t("nav.connections"), "connections"), vhostLink(connection.vhost)],
        title: connectionTitle(connection),
        chips: h("span", {}, protocolChip(connection), " ", connectionState(connection)),
        actions: [button(t("connection.close"), { kind: "danger", glyph: "close", action: () => close(connection) })],
      }),
  });
  const numbers = tiles([
    { key: "received", label: t("stats.recv_oct"), kind: "blue" },
    { key: "sent", label: t("stats.send_oct"), kind: "green" },
    { key: "channels", label: t("nav.channels") },
    { key: "age", label: t("connection.age") },
  ]);
  const data = dataChart();
  const about = facts();
  const client = facts();
  const channels = shortTable({
    label: t("nav.channels"),
    key: (channel) => channel.name,
    none: () => empty(t("connection.noChannels")),
    columns: channelColumns()
      .filter(({ id }) => !["user", "vhost"].includes(id))
      .map((column) => ({ ...column, cell: column.node ?? column.text })),
  });
  const take = {
    connection(connection) {
      putHead([connection]);
      fill(why, blockedNotice(connection));
      numbers.update({
        received: `${bytes(rateOf(connection, "recv_oct") ?? 0)}/s`,
        sent: `${bytes(rateOf(connection, "send_oct") ?? 0)}/s`,
        channels: count(connection.channels),
        age: duration(Date.now() - connection.connected_at),
      });
      data.update(connection);
      about.update([
        [t("address"), connection.name],
        [t("user"), link(connection.user, "users", connection.user)],
        [t("vhost"), vhostLink(connection.vhost)],
        [t("connection.since"), moment(connection.connected_at)],
        [t("protocol"), connection.protocol],
        [t("connection.login"), connection.auth_mechanism],
        connection.timeout !== undefined && [
          t("connection.heartbeat"),
          connection.timeout ? `${connection.timeout} ${t("unit.s")}` : t("none"),
        ],
        connection.frame_max !== undefined && [t("connection.frame"), bytes(connection.frame_max)],
        [
          t("connection.total"),
          t("connection.totals", { received: bytes(connection.recv_oct), sent: bytes(connection.send_oct) }),
        ],
        connection.ssl && [
          t("connection.tls"),
          [connection.ssl_protocol, connection.ssl_cipher, connection.peer_cert_subject].filter(Boolean).join(" · "),
        ],
      ]);
      const { capabilities, ...said } = connection.client_properties ?? {};
      client.update([
        ...Object.entries(said).map(([key, value]) => [
          key,
          typeof value === "object" ? valueTable(value) : String(value),
        ]),
        ...Object.entries(connection.variable_map ?? {}).map(([key, value]) => [key, String(value)]),
        capabilities && [
          t("connection.capabilities"),
          h(
            "span",
            {},
            Object.entries(capabilities)
              .filter(([, can]) => can)
              .map(([can]) => chip(can)),
          ),
        ],
      ]);
    },
    channels: (list) => channels.update(list),
  };
  view.show(
    head,
    why,
    numbers.element,
    h(
      "div",
      { class: "columns" },
      section(t("connection.about"), about.element),
      section(t("connection.client"), client.element),
    ),
    section(t("nav.channels"), channels.element, { flush: true }),
    section(t("chart.data"), data.element),
  );
  view.live(
    { connection: withQuery(address, windowQuery()), channels: `${address}/channels` },
    (each, value) => take[each](value),
    { essential: ["connection"] },
  );

  function close(connection) {
    ask({
      title: t("connection.closeTitle", { name: connectionTitle(connection) }),
      intro: t("connection.closeText"),
      submit: t("connection.close"),
      danger: true,
      fields: [
        {
          name: "reason",
          label: t("connection.reason"),
          value: t("connection.reasonDefault"),
          check: (text) => (/^[\x20-\x7e]*$/.test(text) ? undefined : t("connection.reasonAscii")),
        },
      ],
      async action({ reason }) {
        await remove(address, reason ? { "x-reason": reason } : {});
        done(t("connection.wasClosed"));
        go("connections");
      },
    });
  }
}

/** Why it may not publish just now. */
function blockedNotice(connection) {
  const { state, waits_for: resources = [] } = connection;
  if (!["blocked", "blocking", "flow"].includes(state)) return null;
  const reasons = resources.map((resource) => word("waits", resource)).join(" ");
  if (state === "flow") return notice("warn", t("connection.flowTitle"), reasons || t("connection.flowText"));
  return notice("bad", t("connection.blockedTitle"), reasons || t("connection.blockedText"));
}
