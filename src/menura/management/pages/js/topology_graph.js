// What leads where in a virtual host, as nodes and edges: exchanges, their bindings, queues, and who consumes from
// them.
//
// How much passes a single binding nobody counts; it is estimated: what comes into a queue is shared out among its
// sources by how much goes through each of them.

import { rate } from "./format.js";
import { t } from "./i18n.js";

export const CONSUMERS_MAX = 100;
// Below this, growth is noise.
const GROWTH_MIN = 0.5;

/** {nodes: Map of id to node, edges} of what `/api/menura/topology` answers; `names` are those of connections. */
export function graphOf({ vhost, exchanges, queues, bindings, consumers }, names) {
  const nodes = new Map();
  const edges = new Map();
  for (const exchange of exchanges) nodes.set(`x/${exchange.name}`, exchangeNode(vhost, exchange));
  for (const queue of queues) nodes.set(`q/${queue.name}`, queueNode(vhost, queue));
  for (const { source, destination_type: kind, destination, routing_key: key } of bindings) {
    join(nodes, edges, `x/${source}`, `${kind === "queue" ? "q" : "x"}/${destination}`, {
      label: source === "" ? "" : key,
    });
  }
  for (const queue of queues) {
    if (queue.dead_letter_exchange !== null)
      join(nodes, edges, `q/${queue.name}`, `x/${queue.dead_letter_exchange}`, { dead: true });
  }
  for (const { name, alternate } of exchanges) {
    if (alternate) join(nodes, edges, `x/${name}`, `x/${alternate}`, { label: t("topology.alternate") });
  }
  for (const consumer of consumers.slice(0, CONSUMERS_MAX)) addConsumer(nodes, edges, consumer, names);
  estimate(nodes, [...edges.values()]);
  return { nodes: leading(nodes, edges), edges: [...edges.values()] };
}

function exchangeNode(vhost, { name, type, publish_in_rate: coming }) {
  return {
    kind: "exchange",
    name: name || t("exchange.default"),
    detail: type,
    rate: coming,
    href: ["exchanges", vhost, name],
  };
}

function queueNode(vhost, queue) {
  const {
    messages_ready: ready,
    messages_unacknowledged: held,
    publish_rate: coming,
    deliver_rate: leaving,
    consumers,
  } = queue;
  const growth = coming - leaving;
  const [kind, word] =
    ready > 0 && !consumers
      ? ["warn", t("queue.noConsumers")]
      : ready > 0 && growth > GROWTH_MIN
        ? ["warn", t("queue.growing", { rate: rate(growth) })]
        : coming > 0 || leaving > 0
          ? ["", t("queue.running")]
          : ["", t("queue.idle")];
  return {
    kind: "queue",
    name: queue.name,
    detail: word,
    trouble: kind,
    waiting: ready + held,
    rate: coming,
    taken: leaving,
    href: ["queues", vhost, queue.name],
  };
}

function addConsumer(nodes, edges, { connection, queue }, names) {
  if (!connection) return;
  const id = `c/${connection}`;
  if (!nodes.has(id))
    nodes.set(id, {
      kind: "consumer",
      name: names.get(connection) ?? connection,
      detail: "",
      rate: 0,
      href: ["connections", connection],
    });
  join(nodes, edges, `q/${queue}`, id, {});
}

function join(nodes, edges, from, to, { label, dead = false }) {
  if (!nodes.has(from) || !nodes.has(to)) return;
  const id = `${from}\n${to}\n${dead}`;
  const known = edges.get(id);
  if (known) known.labels.push(label);
  else edges.set(id, { id, from, to, dead, labels: label === undefined ? [] : [label], rate: 0 });
}

function estimate(nodes, edges) {
  const into = new Map();
  const consumersOf = new Map();
  for (const edge of edges.filter(({ dead }) => !dead)) {
    into.set(edge.to, [...(into.get(edge.to) ?? []), edge]);
    if (edge.to.startsWith("c/")) consumersOf.set(edge.from, (consumersOf.get(edge.from) ?? 0) + 1);
  }
  // What is bound to another exchange is not published to itself: it takes what that one takes.
  const rateIn = (id, way = new Set()) => {
    const node = nodes.get(id);
    if (node.rate || way.has(id)) return node.rate;
    const sources = (into.get(id) ?? []).map(({ from }) => rateIn(from, new Set([...way, id])));
    return Math.max(0, ...sources);
  };
  for (const edge of edges.filter(({ dead }) => !dead)) {
    if (edge.to.startsWith("c/")) {
      edge.rate = nodes.get(edge.from).taken / consumersOf.get(edge.from);
      continue;
    }
    const rates = into.get(edge.to).map(({ from }) => rateIn(from));
    const whole = rates.reduce((sum, each) => sum + each, 0);
    edge.rate = whole ? rateIn(edge.to) * (rateIn(edge.from) / whole) : 0;
  }
}

/** All but exchanges that lead nowhere and to which nothing leads. */
function leading(nodes, edges) {
  const joined = new Set([...edges.values()].flatMap(({ from, to }) => [from, to]));
  return new Map([...nodes].filter(([id]) => !id.startsWith("x/") || joined.has(id)));
}
