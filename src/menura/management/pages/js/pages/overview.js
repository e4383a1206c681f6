// What the broker is doing now, and whether it is well.

import { withQuery } from "../api.js";
import { fill, h, keyed } from "../dom.js";
import { bytes, count, duration, rate, rateOf } from "../format.js";
import { t } from "../i18n.js";
import { followJournal } from "../journal.js";
import { chip, facts, header, link, notice, section, tiles } from "../parts.js";
import { queueState } from "../queue_state.js";
import { tableRows } from "../tables.js";
import { brokerRates, lengthChart } from "../traffic.js";
import { windowChoice, windowQuery } from "../windows.js";

const BUSY_QUEUES = 7;
const QUEUE_FIELDS = [
  "name",
  "vhost",
  "state",
  "messages",
  "messages_ready",
  "messages_details.rate",
  "consumers",
  "message_stats.publish_details.rate",
  "message_stats.deliver_get_details.rate",
  "message_stats.ack_details.rate",
];
const QUEUE_COLUMNS = [
  { text: (queue) => queue.name, cell: queueLink },
  { text: (queue) => queueState(queue).word, cell: (queue) => queueState(queue).element() },
  { num: true, cell: (queue) => count(queue.messages) },
  { num: true, low: 1, cell: (queue) => rate(rateOf(queue.message_stats, "publish") ?? 0) },
  { num: true, low: 1, cell: (queue) => rate(rateOf(queue.message_stats, "ack") ?? 0) },
];

export function open(view) {
  view.title(t("nav.overview"));
  const page = new Overview(view);
  let stream;
  const follow = () => {
    stream?.stop();
    stream = view.live(paths(view), (name, data) => page[name](data), { essential: ["overview"] });
  };
  view.show(
    header({ title: t("nav.overview"), actions: [windowChoice(follow)] }),
    page.notices,
    page.numbers.element,
    h(
      "div",
      { class: "columns" },
      section(t("chart.rates"), page.rates.element),
      section(t("chart.lengths"), page.lengths.element),
    ),
    h("div", { class: "columns" }, page.queuesCard, page.healthCard),
    h("div", { class: "columns thirds" }, page.listenersCard, page.journalCard, page.aboutCard),
  );
  follow();
  view.onEnd(followJournal((rows) => page.journal.update(rows)));
}

function paths(view) {
  const queues = {
    page: 1,
    page_size: BUSY_QUEUES,
    sort: "messages",
    sort_reverse: "true",
    pagination: "true",
    columns: QUEUE_FIELDS.join(","),
  };
  return {
    overview: withQuery("/api/overview", windowQuery()),
    ...(view.mayMonitor() ? { nodes: "/api/nodes" } : {}),
    queues: withQuery("/api/queues", queues),
  };
}

class Overview {
  constructor() {
    this.notices = h("div", { class: "notices", role: "status" });
    this.numbers = tiles([
      { key: "publish", label: t("stats.publish"), kind: "blue" },
      { key: "deliver", label: t("stats.deliver_get"), kind: "green" },
      { key: "ready", label: t("stats.messages_ready"), kind: "amber" },
      { key: "unacknowledged", label: t("stats.messages_unacknowledged"), kind: "violet" },
      { key: "connections", label: t("nav.connections"), href: "#/connections" },
      { key: "consumers", label: t("consumers") },
      { key: "queues", label: t("nav.queues"), href: "#/queues" },
      { key: "exchanges", label: t("nav.exchanges"), href: "#/exchanges" },
    ]);
    this.rates = brokerRates();
    this.lengths = lengthChart();
    this.queueRows = h("tbody");
    this.putQueues = tableRows(this.queueRows, {
      key: (queue) => `${queue.vhost}/${queue.name}`,
      columns: QUEUE_COLUMNS,
    });
    this.noQueues = h("p", { class: "empty" }, t("overview.noQueues"));
    this.queuesCard = section(
      t("overview.longest"),
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "group", "aria-label": t("overview.longest") },
        h(
          "table",
          {},
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              [t("name"), t("state")].map((text) => h("th", { scope: "col" }, text)),
              [t("messages"), t("stats.in"), t("stats.out")].map((text, at) =>
                h("th", { scope: "col", class: at ? "num low1" : "num" }, text),
              ),
            ),
          ),
          this.queueRows,
        ),
        this.noQueues,
      ),
      { flush: true, actions: [h("a", { href: "#/queues?sort=messages&sort_reverse=true" }, t("overview.allQueues"))] },
    );
    this.meters = h("div", {});
    this.putMeters = keyed(this.meters, { key: ([name]) => name, make: meter });
    this.health = facts();
    this.journal = facts();
    this.healthCard = section(t("overview.resources"), [this.meters, this.health.element]);
    this.journalCard = section(t("journal.title"), this.journal.element);
    this.listeners = h("tbody");
    this.putListeners = keyed(this.listeners, {
      key: (each) => `${each.protocol} ${each.ip_address} ${each.port}`,
      make: listenerRow,
    });
    this.listenersCard = section(
      t("overview.listeners"),
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "group", "aria-label": t("overview.listeners") },
        h(
          "table",
          {},
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              [t("protocol"), t("address"), t("port")].map((text, at) =>
                h("th", { scope: "col", class: at === 2 ? "num" : "" }, text),
              ),
            ),
          ),
          this.listeners,
        ),
      ),
      { flush: true },
    );
    this.about = facts();
    this.aboutCard = section(t("overview.about"), this.about.element);
  }

  overview(data) {
    const { message_stats: stats, queue_totals: totals, object_totals: objects, churn_rates: churn } = data;
    this.numbers.update({
      publish: rate(rateOf(stats, "publish") ?? 0),
      deliver: rate(rateOf(stats, "deliver_get") ?? 0),
      ready: count(totals?.messages_ready ?? 0),
      unacknowledged: count(totals?.messages_unacknowledged ?? 0),
      connections: count(objects.connections),
      consumers: count(objects.consumers),
      queues: count(objects.queues),
      exchanges: count(objects.exchanges),
    });
    this.rates.update(stats);
    this.lengths.update(totals);
    this.putListeners(data.listeners ?? []);
    this.data = data;
    this.about.update([
      [t("overview.node"), data.node],
      [t("overview.version"), `${data.product_name ?? "RabbitMQ"} ${data.product_version ?? data.rabbitmq_version}`],
      [t("overview.speaks"), t("overview.speaksAs", { version: data.rabbitmq_version })],
      this.uptime !== undefined && [t("overview.uptime"), this.uptime],
      churn && [t("overview.churn.connections"), churned(churn, "connection_created", "connection_closed")],
      churn && [t("overview.churn.channels"), churned(churn, "channel_created", "channel_closed")],
      churn && [t("overview.churn.queues"), churned(churn, "queue_created", "queue_deleted")],
    ]);
    this.tellHealth();
  }

  nodes([node]) {
    this.node = node;
    this.uptime = duration(node.uptime);
    this.putMeters(
      [
        [t("memory"), node.mem_used, node.mem_limit, node.mem_alarm, bytes],
        node.fd_total > 0 && [t("overview.files"), node.fd_used, node.fd_total, false, count],
        node.sockets_total > 0 && [t("overview.sockets"), node.sockets_used, node.sockets_total, false, count],
      ].filter((each) => each && each[1] !== undefined),
    );
    this.health.update([
      [
        t("overview.disk"),
        t(node.disk_free_limit ? "overview.diskFree" : "overview.diskOnly", {
          free: bytes(node.disk_free),
          limit: bytes(node.disk_free_limit),
        }),
      ],
      [t("overview.directory"), node.db_dir || t("none")],
    ]);
    this.tellHealth();
  }

  queues({ items }) {
    this.putQueues(items);
    this.noQueues.hidden = items.length > 0;
  }

  /** What is wrong, why, and what follows from it. */
  tellHealth() {
    const troubles = [];
    const { node } = this;
    if (node?.mem_alarm)
      troubles.push(
        notice(
          "bad",
          t("alarm.memory"),
          t("alarm.memoryText", { used: bytes(node.mem_used), limit: bytes(node.mem_limit) }),
        ),
      );
    if (node?.disk_free_alarm)
      troubles.push(
        notice(
          "bad",
          t("alarm.disk"),
          t("alarm.diskText", { free: bytes(node.disk_free), limit: bytes(node.disk_free_limit) }),
        ),
      );
    const lost = rateOf(this.data?.message_stats, "drop_unroutable");
    if (lost > 0) troubles.push(notice("warn", t("alarm.unroutable", { rate: rate(lost) }), t("alarm.unroutableText")));
    const told = troubles.map((each) => each.textContent).join("\n");
    if (told !== this.told) fill(this.notices, troubles);
    this.told = told;
  }
}

function churned(churn, made, gone) {
  return t("overview.churned", {
    made: count(churn[made]),
    gone: count(churn[gone]),
    rate: rate(rateOf(churn, made) ?? 0),
  });
}

function meter([name, used, limit, alarm, write]) {
  return h(
    "div",
    { class: alarm ? "meter bad" : "meter" },
    h("div", {}, h("span", {}, name), h("span", {}, t("overview.of", { used: write(used), limit: write(limit) }))),
    h("progress", { max: 1, value: Math.min(1, used / limit), "aria-label": name }),
  );
}

function queueLink(queue) {
  return [
    link(queue.name, "queues", queue.vhost, queue.name),
    queue.vhost !== "/" && h("span", { class: "sub" }, queue.vhost),
  ];
}

function listenerRow(listener) {
  return h(
    "tr",
    {},
    h(
      "td",
      {},
      listener.protocol,
      " ",
      /amqps|ssl|https|mqtts|stomps|wss/.test(listener.protocol) && chip("TLS", "good"),
    ),
    h("td", { class: "mono" }, listener.ip_address),
    h("td", { class: "num mono" }, String(listener.port)),
  );
}
