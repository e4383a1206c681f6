// Virtual hosts: worlds of their own within one broker.

import { path, put } from "../api.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { count, rate, rateOf } from "../format.js";
import { t } from "../i18n.js";
import { List } from "../list.js";
import { button, chip, empty, header, rowLink } from "../parts.js";
import { done } from "../toast.js";

export function open(view) {
  view.title(t("nav.vhosts"));
  const list = new List(view, {
    path: "/api/vhosts",
    local: true,
    label: t("nav.vhosts"),
    key: (vhost) => vhost.name,
    sort: "name",
    columns: [
      {
        id: "name",
        label: t("name"),
        text: (vhost) => vhost.name,
        node: (vhost) => rowLink(vhost.name, "vhosts", vhost.name),
      },
      { id: "description", label: t("description"), low: 2, text: (vhost) => vhost.description ?? "" },
      {
        id: "tags",
        label: t("vhost.marks"),
        low: 1,
        sort: false,
        text: (vhost) => JSON.stringify([vhost.tags, vhost.tracing, vhost.protected_from_deletion]),
        node: (vhost) =>
          h(
            "span",
            {},
            vhost.tracing && chip(t("vhost.traced"), "warn"),
            vhost.protected_from_deletion && chip(t("vhost.protected"), "info"),
            (vhost.tags ?? []).map((tag) => chip(tag)),
          ),
      },
      {
        id: "messages",
        label: t("messages"),
        num: true,
        text: (vhost) => count(vhost.messages ?? 0),
        value: (vhost) => vhost.messages ?? 0,
      },
      {
        id: "in",
        label: t("stats.publish"),
        num: true,
        text: (vhost) => rate(rateOf(vhost.message_stats, "publish") ?? 0),
        value: (vhost) => rateOf(vhost.message_stats, "publish") ?? 0,
      },
      {
        id: "out",
        label: t("stats.deliver_get"),
        num: true,
        low: 1,
        text: (vhost) => rate(rateOf(vhost.message_stats, "deliver_get") ?? 0),
        value: (vhost) => rateOf(vhost.message_stats, "deliver_get") ?? 0,
      },
    ],
    none: () => empty(t("vhosts.none"), t("vhosts.noneText")),
  });
  const add =
    view.isAdministrator() &&
    button(t("vhost.add"), {
      glyph: "plus",
      kind: "primary",
      create: true,
      action: () => editVhost(undefined, () => list.refresh()),
    });
  view.show(header({ title: t("nav.vhosts"), actions: [add] }), list.element);
  list.open();
}

export function editVhost(vhost, onDone) {
  const kind = ["classic", "quorum"].includes(vhost?.default_queue_type) ? vhost.default_queue_type : "classic";
  return ask({
    title: vhost ? t("vhost.edit", { name: vhost.name }) : t("vhost.add"),
    submit: t("save"),
    fields: [
      !vhost && { name: "name", label: t("name"), required: true, mono: true },
      { name: "description", label: t("description"), value: vhost?.description ?? "" },
      { name: "tags", label: t("vhost.tags"), value: (vhost?.tags ?? []).join(", "), hint: t("vhost.tagsHint") },
      {
        name: "default_queue_type",
        label: t("vhost.queueType"),
        kind: "choice",
        options: ["classic", "quorum"],
        value: kind,
      },
      {
        name: "tracing",
        label: t("vhost.tracing"),
        kind: "check",
        value: vhost?.tracing,
        hint: t("vhost.tracingHint"),
      },
    ].filter(Boolean),
    async action({ name = vhost?.name, ...said }) {
      await put(path("api", "vhosts", name), said);
      done(t("saved", { name }));
      onDone();
    },
  });
}
