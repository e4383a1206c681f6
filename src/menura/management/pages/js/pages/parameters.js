// Runtime parameters: what else can be set while the broker runs.

import { path, put, remove } from "../api.js";
import { ask, confirm } from "../dialog.js";
import { h } from "../dom.js";
import { t } from "../i18n.js";
import { List } from "../list.js";
import { button, chip, empty, header, segmented, vhostLink } from "../parts.js";
import { rowActions } from "../rows.js";
import { done } from "../toast.js";
import { vhostField } from "../vhosts.js";

export function open(view) {
  view.title(t("nav.parameters"));
  let kind = view.query.kind === "global" ? "global-parameters" : "parameters";
  const edit = (parameter) => editParameter(view, kind, parameter, () => list.refresh());
  const list = new List(view, {
    path: () => path("api", kind),
    local: true,
    label: t("nav.parameters"),
    sort: "name",
    key: (each) => `${each.component}\n${each.vhost}\n${each.name}`,
    filters: [
      segmented(
        t("parameter.kind"),
        [
          ["parameters", t("parameter.ofVhosts")],
          ["global-parameters", t("parameter.global")],
        ],
        {
          chosen: kind,
          onChoose(value) {
            kind = value;
            view.requery({ kind: value === "parameters" ? undefined : "global" });
            list.whole = undefined;
            list.ask();
          },
        },
      ),
    ],
    columns: [
      { id: "name", label: t("name"), text: (each) => each.name, node: (each) => h("b", { class: "name" }, each.name) },
      {
        id: "component",
        label: t("parameter.component"),
        text: (each) => each.component ?? "",
        node: (each) => each.component && chip(each.component, "info"),
      },
      {
        id: "vhost",
        label: t("vhost"),
        low: 1,
        text: (each) => each.vhost ?? "",
        node: (each) => each.vhost && vhostLink(each.vhost),
      },
      {
        id: "value",
        label: t("parameter.value"),
        low: 1,
        wide: true,
        sort: false,
        text: (each) => JSON.stringify(each.value),
        node: (each) => h("code", {}, JSON.stringify(each.value)),
      },
      {
        id: "actions",
        label: "",
        sort: false,
        num: true,
        text: (each) => JSON.stringify(each),
        node: (each) =>
          rowActions(
            { glyph: "policies", label: `${t("edit")}: ${each.name}`, action: () => edit(each) },
            {
              glyph: "trash",
              label: `${t("delete")}: ${each.name}`,
              danger: true,
              action: () => drop(each, () => list.refresh()),
            },
          ),
      },
    ],
    none: () => empty(t("parameters.none"), t("parameters.noneText")),
  });
  view.show(
    header({
      title: t("nav.parameters"),
      actions: [button(t("parameter.add"), { glyph: "plus", kind: "primary", create: true, action: () => edit() })],
    }),
    list.element,
  );
  list.open();
}

function addressOf({ component, vhost, name }) {
  return component ? path("api", "parameters", component, vhost, name) : path("api", "global-parameters", name);
}

function editParameter(view, kind, parameter, onDone) {
  const fields = parameter
    ? []
    : [
        kind === "parameters" && vhostField(view),
        kind === "parameters" && { name: "component", label: t("parameter.component"), required: true, mono: true },
        { name: "name", label: t("name"), required: true, mono: true },
      ].filter(Boolean);
  return ask({
    title: parameter ? t("parameter.edit", { name: parameter.name }) : t("parameter.add"),
    submit: t("save"),
    fields: [
      ...fields,
      {
        name: "value",
        label: t("parameter.value"),
        kind: "json",
        rows: 10,
        value: JSON.stringify(parameter?.value ?? {}, null, 2),
      },
    ],
    async action({ value, ...said }) {
      const { component, vhost, name } = { ...parameter, ...said };
      await put(addressOf({ component, vhost, name }), { ...(component ? { component, vhost } : {}), name, value });
      done(t("saved", { name }));
      onDone();
    },
  });
}

function drop(parameter, onDone) {
  return confirm({
    title: t("parameter.delete", { name: parameter.name }),
    text: t("parameter.deleteText"),
    submit: t("delete"),
    async action() {
      await remove(addressOf(parameter));
      done(t("deleted", { name: parameter.name }));
      onDone();
    },
  });
}
