// A virtual host as a picture: exchanges, bindings, queues, consumers, and how much flows.

import { get, withQuery } from "../api.js";
import { fill, h, newId, s } from "../dom.js";
import { count, rate, short } from "../format.js";
import { icon } from "../icons.js";
import { t, tn } from "../i18n.js";
import { layOut, NODE } from "../layout.js";
import { empty, header, link } from "../parts.js";
import { to } from "../router.js";
import { graphOf } from "../topology_graph.js";
import { Viewport } from "../viewport.js";
import { workingVhost } from "../vhosts.js";

const RELOAD_MS = 10_000;
const TYPING_MS = 250;
const LABELS_MAX = 40;
const LETTERS = 21;

export function open(view) {
  view.title(t("nav.topology"));
  new Topology(view).open();
}

class Topology {
  constructor(view) {
    Object.assign(this, {
      view,
      filter: view.query.name ?? "",
      vhost: view.query.vhost ?? workingVhost(view),
      names: new Map(),
    });
    this.map = s("svg", { class: "map", "aria-label": t("topology.label"), role: "group" });
    this.world = s("g", {});
    this.map.append(this.world);
    this.viewport = new Viewport(this.map, this.world);
    this.said = h("span", { class: "total", role: "status" });
    this.nothing = h("div", {});
  }

  open() {
    const { view } = this;
    const [filterId, vhostId] = [newId("filter"), newId("vhost")];
    const filter = h("input", {
      id: filterId,
      type: "search",
      value: this.filter,
      placeholder: t("list.filter"),
      "data-filter": true,
      on: { input: () => this.narrow(filter.value.trim()) },
    });
    const vhosts = h("select", { id: vhostId, on: { change: () => this.enter(vhosts.value) } });
    get("/api/vhosts?columns=name").then(
      (all) =>
        fill(
          vhosts,
          all.map(({ name }) => h("option", { value: name, selected: name === this.vhost }, name)),
        ),
      () => {},
    );
    const tool = (glyph, label, action) =>
      h("button", { type: "button", class: "square", title: label, "aria-label": label, on: { click: action } }, glyph);
    this.board = h(
      "div",
      { class: "board" },
      this.map,
      this.nothing,
      h(
        "div",
        { class: "legend" },
        ["exchange", "queue", "consumer"].map((kind) =>
          h(
            "span",
            {},
            h("i", {
              style: { "--line": `var(--line-${{ exchange: "blue", queue: "green", consumer: "violet" }[kind]})` },
            }),
            " ",
            t(kind),
          ),
        ),
      ),
      h(
        "div",
        { class: "over" },
        tool("+", t("topology.larger"), () => this.viewport.zoom(1.25)),
        tool("−", t("topology.smaller"), () => this.viewport.zoom(0.8)),
        tool(icon("fit"), t("topology.fit"), () => this.viewport.fit()),
      ),
    );
    view.show(
      header({ title: t("nav.topology") }),
      h(
        "section",
        { class: "card flush", "aria-label": t("nav.topology") },
        h(
          "div",
          { class: "bar" },
          h(
            "div",
            { class: "search" },
            icon("search"),
            h("label", { for: filterId, class: "unseen" }, t("list.filter")),
            filter,
          ),
          h("div", { class: "filter" }, h("label", { for: vhostId }, t("vhost")), vhosts),
          this.said,
        ),
        this.board,
      ),
    );
    const renew = setInterval(() => document.hidden || this.loadNames(), RELOAD_MS);
    view.onEnd(() => clearInterval(renew));
    this.enter(this.vhost);
  }

  enter(vhost) {
    this.vhost = vhost;
    this.view.requery({ vhost });
    this.follow();
  }

  narrow(filter) {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => {
      this.filter = filter;
      this.view.requery({ name: filter });
      this.follow();
    }, TYPING_MS);
  }

  follow() {
    this.stream?.stop();
    this.loadNames();
    const address = withQuery("/api/menura/topology", { vhost: this.vhost, name: this.filter });
    this.stream = this.view.live({ picture: address }, (_, data) => {
      this.data = data;
      this.draw();
    });
  }

  /** What clients call themselves. */
  async loadNames() {
    try {
      const connections = await get("/api/connections?columns=name,user_provided_name,client_id");
      this.names = new Map(
        connections.map((each) => [each.name, each.user_provided_name || each.client_id || each.name]),
      );
      this.draw();
    } catch {
      // Then they are called by their addresses.
    }
  }

  draw() {
    if (!this.data || this.view.ended) return;
    const graph = graphOf(this.data, this.names);
    const shape = JSON.stringify([
      [...graph.nodes].map(([id, { name }]) => [id, name]),
      graph.edges.map(({ id, labels }) => [id, labels]),
    ]);
    const { cut: left, totals } = this.data;
    fill(
      this.said,
      left
        ? t("topology.tooMany", { shown: count(graph.nodes.size), total: count(totals.queues + totals.exchanges) })
        : tn("topology.nodes", graph.nodes.size),
    );
    fill(
      this.nothing,
      graph.nodes.size === 0 && empty(t("topology.none"), t("topology.noneText"), link(t("nav.queues"), "queues")),
    );
    if (shape !== this.shape) this.drawAnew(graph);
    this.shape = shape;
    this.drawFlows(graph);
  }

  drawAnew(graph) {
    fill(this.world);
    this.edges = new Map();
    this.nodes = new Map();
    if (!graph.nodes.size) return;
    const size = layOut(graph.nodes, graph.edges);
    this.places = new Map([...graph.nodes].map(([id, { x, y }]) => [id, { x, y }]));
    const labelled = graph.edges.length <= LABELS_MAX;
    const [lines, labels] = [s("g", {}), s("g", { "aria-hidden": "true" })];
    for (const edge of graph.edges) {
      const line = s("path", {
        d: curve(
          [edge.from, ...(size.ways.get(edge.id) ?? []), edge.to].map(
            (id) => this.places.get(id) ?? size.points.get(id),
          ),
        ),
        class: "edge",
      });
      const said = edge.dead ? `(${t("topology.dead")})` : edge.labels.join(", ");
      line.append(s("title", {}, `${edge.from.slice(2)} → ${edge.to.slice(2)} ${said}`));
      lines.append(line);
      this.edges.set(edge.id, line);
      const text = labelled && !edge.dead && edge.labels.filter(Boolean).join(", ");
      if (text)
        labels.append(
          label(
            this.places.get(edge.from),
            this.places.get(edge.to),
            size.points.get(size.ways.get(edge.id)?.at(-1)),
            text,
          ),
        );
    }
    this.world.append(lines, labels);
    for (const [id, node] of graph.nodes) this.world.append(this.drawNode(id, node));
    this.viewport.measure(size);
    this.viewport.fit();
  }

  drawNode(id, node) {
    const detail = s("text", { class: "small", x: 12, y: 33 });
    const shape = s(
      "g",
      { class: `node ${node.kind}`, transform: `translate(${node.x} ${node.y})` },
      s("rect", { width: NODE.width, height: NODE.height, rx: node.kind === "exchange" ? NODE.height / 2 : 8 }),
      s("text", { x: node.kind === "exchange" ? 16 : 12, y: 18 }, cut(node.name)),
      detail,
      s("title", {}, `${t(node.kind)} ${node.name}`),
    );
    if (node.kind === "exchange") detail.setAttribute("x", 16);
    this.nodes.set(id, { shape, detail });
    return s("a", { href: to(...node.href) }, shape);
  }

  drawFlows(graph) {
    const most = Math.max(1, ...graph.edges.map((edge) => edge.rate));
    for (const edge of graph.edges) {
      const line = this.edges.get(edge.id);
      const width = edge.rate > 0 ? 1.5 + 7 * Math.sqrt(edge.rate / most) : 1.2;
      line.setAttribute("class", `edge ${edge.dead ? "dead" : edge.rate > 0 ? "flowing" : ""}`);
      line.style.setProperty("stroke-width", width.toFixed(1));
    }
    for (const [id, node] of graph.nodes) {
      const { shape, detail } = this.nodes.get(id);
      for (const kind of ["warn", "bad"]) shape.classList.toggle(kind, node.trouble === kind);
      const text =
        node.kind === "queue"
          ? [short(node.waiting), node.detail].join(" · ")
          : node.kind === "exchange"
            ? [node.detail, node.rate > 0 && rate(node.rate)].filter(Boolean).join(" · ")
            : t("consumer");
      if (detail.textContent !== text) detail.textContent = cut(text, 30);
    }
  }
}

function cut(text, most = LETTERS) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** From the right side of one node to the left side of another, by way of points between; backwards around below. */
function curve(stops) {
  const [from, to] = [stops[0], stops.at(-1)];
  if (to.x <= from.x) {
    const [fromX, toX] = [from.x + NODE.width / 2, to.x + NODE.width / 2];
    const low = Math.max(from.y, to.y) + NODE.height + 46;
    return `M${fromX} ${from.y + NODE.height}C${fromX} ${low} ${toX} ${low} ${toX} ${to.y + NODE.height}`;
  }
  const height = NODE.height / 2;
  let drawn = `M${from.x + NODE.width} ${from.y + height}`;
  let [x, y] = [from.x + NODE.width, from.y + height];
  for (const stop of stops.slice(1)) {
    const bend = (stop.x - x) / 2;
    drawn += `C${x + bend} ${y} ${stop.x - bend} ${stop.y + height} ${stop.x} ${stop.y + height}`;
    [x, y] = [stop.x, stop.y + height];
    if (stop !== to) {
      x += NODE.width;
      drawn += `L${x} ${y}`;
    }
  }
  return drawn;
}

/** Over the last stretch of a line. */
function label(from, to, point, text) {
  const start = point ?? from;
  const x = (start.x + NODE.width) * 0.46 + to.x * 0.54;
  const y = start.y * 0.35 + to.y * 0.65 + NODE.height / 2 - 5;
  return s("text", { class: "label", x, y, "text-anchor": "middle" }, cut(text, 20));
}
