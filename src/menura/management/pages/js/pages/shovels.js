// Shovels: they carry messages from one broker to another, or from one place to another here.

import { path, put, remove } from "../api.js";
import { ask, confirm } from "../dialog.js";
import { h } from "../dom.js";
import { count, moment } from "../format.js";
import { t, word } from "../i18n.js";
import { List } from "../list.js";
import { button, empty, header, status, vhostLink } from "../parts.js";
import { rowActions } from "../rows.js";
import { done } from "../toast.js";
import { listPath, vhostField, vhostFilter } from "../vhosts.js";

const STATES = { running: "good", starting: "warn", flow: "warn", blocked: "warn", terminated: "bad" };
const ACK_MODES = ["on-confirm", "on-publish", "no-ack"];

export function open(view) {
  view.title(t("nav.shovels"));
  const refresh = () => list.refresh();
  const list = new List(view, {
    path: () => listPath("shovels"),
    local: true,
    label: t("nav.shovels"),
    key: (shovel) => `${shovel.vhost}\n${shovel.name}`,
    sort: "name",
    filters: [vhostFilter(() => list.ask())],
    columns: [
      {
        id: "name",
        label: t("name"),
        text: (shovel) => shovel.name,
        node: (shovel) => h("b", { class: "name" }, shovel.name),
      },
      {
        id: "vhost",
        label: t("vhost"),
        low: 2,
        text: (shovel) => shovel.vhost,
        node: (shovel) => vhostLink(shovel.vhost),
      },
      {
        id: "state",
        label: t("state"),
        wide: true,
        text: (shovel) => `${shovel.state} ${shovel.reason ?? ""}`,
        node: stateCell,
      },
      {
        id: "forwarded",
        label: t("shovel.forwarded"),
        num: true,
        low: 2,
        text: (shovel) => count(shovel.forwarded),
        value: (shovel) => shovel.forwarded ?? 0,
      },
      {
        id: "source",
        label: t("shovel.source"),
        low: 1,
        sort: false,
        text: (shovel) => end(shovel, "src"),
        node: (shovel) => endNode(shovel, "src"),
      },
      {
        id: "destination",
        label: t("shovel.destination"),
        low: 1,
        sort: false,
        text: (shovel) => end(shovel, "dest"),
        node: (shovel) => endNode(shovel, "dest"),
      },
      { id: "timestamp", label: t("shovel.since"), low: 2, text: (shovel) => since(shovel.timestamp) },
      {
        id: "actions",
        label: "",
        sort: false,
        num: true,
        text: () => "",
        node: (shovel) =>
          rowActions(
            {
              glyph: "replay",
              label: `${t("shovel.restart")}: ${shovel.name}`,
              action: () => restart(shovel, refresh),
            },
            {
              glyph: "trash",
              label: `${t("delete")}: ${shovel.name}`,
              danger: true,
              action: () => drop(shovel, refresh),
            },
          ),
      },
    ],
    none: () => empty(t("shovels.none"), t("shovels.noneText")),
  });
  const actions = view.mayPolicies()
    ? [button(t("shovel.add"), { glyph: "plus", kind: "primary", create: true, action: () => add(view, refresh) })]
    : [];
  view.show(header({ title: t("nav.shovels"), actions }), list.element);
  list.open();
}

function stateCell({ state, reason }) {
  const kind = STATES[state] ?? "";
  return h("span", {}, status(word("shovel", state), kind), reason && h("span", { class: "sub whole" }, reason));
}

function since(timestamp) {
  const parsed = typeof timestamp === "number" ? timestamp : Date.parse(`${timestamp}`.replace(" ", "T"));
  return Number.isFinite(parsed) ? moment(parsed) : String(timestamp ?? "–");
}

function end(shovel, side) {
  const found = [shovel[`${side}_queue`], shovel[`${side}_exchange`], shovel[`${side}_exchange_key`]]
    .filter(Boolean)
    .join(" · ");
  return `${found}\n${shovel[`${side}_uri`] ?? ""}`;
}

function endNode(shovel, side) {
  const [what, where] = end(shovel, side).split("\n");
  return h("span", {}, what || "–", h("span", { class: "sub mono" }, where));
}

function add(view, onDone) {
  const side = (name, label) => [
    {
      name: `${name}-uri`,
      label: `${label}: URI`,
      required: true,
      mono: true,
      value: "amqp://",
      hint: name === "src" ? t("shovel.uriHint") : undefined,
    },
    {
      name: `${name}-kind`,
      label,
      kind: "choice",
      options: [
        ["queue", t("queue")],
        ["exchange", t("exchange")],
      ],
      value: "queue",
    },
    {
      name: `${name}-queue`,
      label: t("queue"),
      required: true,
      mono: true,
      when: (values) => values[`${name}-kind`] === "queue",
    },
    {
      name: `${name}-exchange`,
      label: t("exchange"),
      required: true,
      mono: true,
      when: (values) => values[`${name}-kind`] === "exchange",
    },
    {
      name: `${name}-exchange-key`,
      label: t("routingKey"),
      mono: true,
      when: (values) => values[`${name}-kind`] === "exchange",
    },
  ];
  return ask({
    title: t("shovel.add"),
    submit: t("save"),
    intro: t("shovel.intro"),
    fields: [
      vhostField(view),
      { name: "name", label: t("name"), required: true, mono: true },
      ...side("src", t("shovel.source")),
      ...side("dest", t("shovel.destination")),
      {
        name: "ack-mode",
        label: t("shovel.ackMode"),
        kind: "choice",
        options: ACK_MODES,
        value: "on-confirm",
        hint: t("shovel.ackHint"),
      },
      {
        name: "src-delete-after",
        label: t("shovel.deleteAfter"),
        value: "never",
        mono: true,
        hint: t("shovel.deleteAfterHint"),
      },
      { name: "reconnect-delay", label: t("shovel.reconnect"), kind: "number", value: 5 },
      { name: "src-prefetch-count", label: t("prefetch"), kind: "number", value: 1000 },
    ],
    async action({ vhost, name, "src-kind": _source, "dest-kind": _destination, ...said }) {
      const value = Object.fromEntries(
        Object.entries({ "src-protocol": "amqp091", "dest-protocol": "amqp091", ...said }).filter(
          ([, each]) => each !== undefined && each !== "",
        ),
      );
      if (/^\d+$/.test(value["src-delete-after"])) value["src-delete-after"] = Number(value["src-delete-after"]);
      await put(path("api", "parameters", "shovel", vhost, name), { component: "shovel", vhost, name, value });
      done(t("saved", { name }));
      onDone();
    },
  });
}

function restart({ vhost, name }, onDone) {
  return confirm({
    title: t("shovel.restart"),
    text: t("shovel.restartText", { name }),
    submit: t("shovel.restart"),
    async action() {
      await remove(path("api", "shovels", "vhost", vhost, name, "restart"));
      done(t("shovel.restarted", { name }));
      onDone();
    },
  });
}

function drop({ vhost, name }, onDone) {
  return confirm({
    title: t("shovel.delete", { name }),
    text: t("shovel.deleteText"),
    submit: t("delete"),
    async action() {
      await remove(path("api", "shovels", "vhost", vhost, name));
      done(t("deleted", { name }));
      onDone();
    },
  });
}
