// Policies, and those that bound them.

import { path, put, remove } from "../api.js";
import { ask, confirm } from "../dialog.js";
import { h } from "../dom.js";
import { count } from "../format.js";
import { t } from "../i18n.js";
import { List } from "../list.js";
import { button, chip, empty, header, segmented, valueTable, vhostLink } from "../parts.js";
import { rowActions } from "../rows.js";
import { done } from "../toast.js";
import { listPath, vhostField, vhostFilter } from "../vhosts.js";

const APPLY_TO = ["all", "queues", "exchanges", "classic_queues", "quorum_queues", "streams"];
const KEYS = [
  "message-ttl",
  "expires",
  "max-length",
  "max-length-bytes",
  "overflow",
  "dead-letter-exchange",
  "dead-letter-routing-key",
  "dead-letter-strategy",
  "delivery-limit",
  "alternate-exchange",
  "queue-mode",
  "consumer-timeout",
];

export function open(view) {
  view.title(t("nav.policies"));
  let kind = view.query.kind === "operator" ? "operator-policies" : "policies";
  const mayChange = () => (kind === "policies" ? view.mayPolicies() : view.isAdministrator());
  const edit = (policy) => editPolicy(view, kind, policy, () => list.refresh());
  const actions = (policy) =>
    mayChange() &&
    rowActions(
      { glyph: "policies", label: `${t("edit")}: ${policy.name}`, action: () => edit(policy) },
      {
        glyph: "trash",
        label: `${t("delete")}: ${policy.name}`,
        danger: true,
        action: () => drop(kind, policy, () => list.refresh()),
      },
    );
  const list = new List(view, {
    path: () => listPath(kind),
    local: true,
    label: t("nav.policies"),
    key: (policy) => `${policy.vhost}\n${policy.name}`,
    sort: "name",
    filters: [
      segmented(
        t("policy.kind"),
        [
          ["policies", t("policy.users")],
          ["operator-policies", t("policy.operators")],
        ],
        {
          chosen: kind,
          onChoose(value) {
            kind = value;
            view.requery({ kind: value === "policies" ? undefined : "operator" });
            list.whole = undefined;
            list.ask();
          },
        },
      ),
      vhostFilter(() => list.ask()),
    ],
    columns: [
      {
        id: "name",
        label: t("name"),
        text: (policy) => policy.name,
        node: (policy) => h("b", { class: "name" }, policy.name),
      },
      {
        id: "vhost",
        label: t("vhost"),
        low: 1,
        text: (policy) => policy.vhost,
        node: (policy) => vhostLink(policy.vhost),
      },
      {
        id: "pattern",
        label: t("policy.pattern"),
        text: (policy) => policy.pattern,
        node: (policy) => h("code", {}, policy.pattern),
      },
      {
        id: "apply-to",
        label: t("policy.applyTo"),
        low: 2,
        text: (policy) => policy["apply-to"],
        node: (policy) => chip(policy["apply-to"]),
      },
      {
        id: "priority",
        label: t("policy.priority"),
        num: true,
        low: 1,
        text: (policy) => count(policy.priority),
        value: (policy) => policy.priority,
      },
      {
        id: "definition",
        label: t("policy.definition"),
        low: 1,
        wide: true,
        sort: false,
        text: (policy) => JSON.stringify(policy.definition),
        node: (policy) => valueTable(policy.definition),
      },
      { id: "actions", label: "", sort: false, num: true, text: (policy) => JSON.stringify(policy), node: actions },
    ],
    none: () => empty(t("policies.none"), t("policies.noneText")),
  });
  const add =
    mayChange() && button(t("policy.add"), { glyph: "plus", kind: "primary", create: true, action: () => edit() });
  view.show(header({ title: t("nav.policies"), actions: [add] }), list.element);
  list.open();
}

function editPolicy(view, kind, policy, onDone) {
  const fields = policy ? [] : [vhostField(view), { name: "name", label: t("name"), required: true, mono: true }];
  return ask({
    title: policy
      ? t("policy.edit", { name: policy.name })
      : t(kind === "policies" ? "policy.add" : "policy.addOperator"),
    submit: t("save"),
    fields: [
      ...fields,
      {
        name: "pattern",
        label: t("policy.pattern"),
        required: true,
        mono: true,
        value: policy?.pattern ?? "",
        hint: t("policy.patternHint"),
      },
      {
        name: "apply-to",
        label: t("policy.applyTo"),
        kind: "choice",
        options: APPLY_TO,
        value: policy?.["apply-to"] ?? "queues",
      },
      { name: "priority", label: t("policy.priority"), kind: "number", value: policy?.priority ?? 0 },
      {
        name: "definition",
        label: t("policy.definition"),
        kind: "table",
        names: KEYS,
        value: policy?.definition,
        hint: t("arguments.hint"),
      },
    ],
    async action({ vhost = policy?.vhost, name = policy?.name, ...said }) {
      await put(path("api", kind, vhost, name), { ...said, priority: said.priority ?? 0 });
      done(t("saved", { name }));
      onDone();
    },
  });
}

function drop(kind, { vhost, name }, onDone) {
  return confirm({
    title: t("policy.delete", { name }),
    text: t("policy.deleteText"),
    submit: t("delete"),
    async action() {
      await remove(path("api", kind, vhost, name));
      done(t("deleted", { name }));
      onDone();
    },
  });
}
