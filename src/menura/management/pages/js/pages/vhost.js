// One virtual host: what passes through it, who may enter, and its limits.

import { get, path, post, put, remove, withQuery } from "../api.js";
import { ask, confirm } from "../dialog.js";
import { h } from "../dom.js";
import { count, rate, rateOf } from "../format.js";
import { icon } from "../icons.js";
import { t } from "../i18n.js";
import { button, facts, header, link, menu, section, tiles } from "../parts.js";
import { editPermission, permissionTable } from "../permissions.js";
import { go, to } from "../router.js";
import { done } from "../toast.js";
import { brokerRates, lengthChart } from "../traffic.js";
import { editVhost } from "./vhosts.js";
import { windowChoice, windowQuery } from "../windows.js";

const LIMITS = ["max-connections", "max-queues"];

export function open(view) {
  const { name } = view.params;
  view.title(name);
  let vhost = { name };
  let limits = {};
  const refresh = () => stream.refresh();
  const numbers = tiles([
    { key: "in", label: t("stats.publish"), kind: "blue" },
    { key: "out", label: t("stats.deliver_get"), kind: "green" },
    { key: "ready", label: t("stats.messages_ready"), kind: "amber" },
    { key: "unacknowledged", label: t("stats.messages_unacknowledged"), kind: "violet" },
  ]);
  const [rates, lengths, about, permissions] = [
    brokerRates(),
    lengthChart(),
    facts(),
    permissionTable("user", refresh),
  ];
  const take = {
    vhost(found) {
      vhost = found;
      change.disabled = false;
      numbers.update({
        in: rate(rateOf(vhost.message_stats, "publish") ?? 0),
        out: rate(rateOf(vhost.message_stats, "deliver_get") ?? 0),
        ready: count(vhost.messages_ready ?? 0),
        unacknowledged: count(vhost.messages_unacknowledged ?? 0),
      });
      rates.update(vhost.message_stats);
      lengths.update(vhost);
      tell();
    },
    permissions: (rows) => permissions.update(rows),
    limits(rows) {
      limits = rows.find((each) => each.vhost === name)?.value ?? {};
      tell();
    },
  };
  function tell() {
    about.update([
      [t("description"), vhost.description || "–"],
      [t("vhost.tags"), (vhost.tags ?? []).join(", ") || "–"],
      [t("vhost.queueType"), vhost.default_queue_type ?? "–"],
      [t("vhost.tracing"), t(vhost.tracing ? "yes" : "no")],
      [t("vhost.protected"), t(vhost.protected_from_deletion ? "yes" : "no")],
      ...LIMITS.map((limit) => [t(`limit.${limit}`), limits[limit] ?? t("limit.none")]),
    ]);
  }
  let stream;
  const follow = () => {
    stream?.stop();
    const address = path("api", "vhosts", name);
    const paths = { vhost: withQuery(address, windowQuery()) };
    if (view.isAdministrator())
      Object.assign(paths, { permissions: `${address}/permissions`, limits: path("api", "vhost-limits", name) });
    stream = view.live(paths, (each, data) => take[each](data), { essential: ["vhost"] });
  };
  const admin = view.isAdministrator();
  // Before it is known what there is to change, saving would clear it.
  const change = button(t("edit"), { glyph: "policies", disabled: true, action: () => editVhost(vhost, refresh) });
  const permit = async () =>
    editPermission({ vhost: name }, refresh, {
      users: (await get("/api/users?columns=name")).map((user) => user.name),
    });
  const guard = async () => {
    const address = path("api", "vhosts", name, "deletion", "protection");
    await (vhost.protected_from_deletion ? remove(address) : post(address));
    refresh();
  };
  view.show(
    header({
      crumbs: [link(t("nav.vhosts"), "vhosts")],
      title: name,
      actions: [
        h("a", { class: "button", href: to("topology", { vhost: name }) }, icon("topology", 15), t("nav.topology")),
        admin && change,
        admin &&
          menu(t("more"), [
            { text: t("limit.set"), glyph: "parameters", action: () => editLimits(name, limits, refresh) },
            { text: t("vhost.protect"), glyph: "lock", action: guard },
            { text: t("vhost.deleteMenu"), glyph: "trash", danger: true, action: () => drop(name) },
          ]),
      ],
    }),
    numbers.element,
    h(
      "div",
      { class: "columns" },
      section(t("chart.rates"), rates.element, { actions: [windowChoice(follow)] }),
      section(t("chart.lengths"), lengths.element),
    ),
    admin &&
      section(t("permissions"), permissions.element, {
        flush: true,
        actions: [button(t("permission.set"), { glyph: "plus", kind: "small", action: permit })],
      }),
    section(t("queue.tab.settings"), about.element),
  );
  follow();
}

function editLimits(name, limits, onDone) {
  return ask({
    title: t("limit.set"),
    submit: t("save"),
    fields: LIMITS.map((limit) => ({
      name: limit,
      label: t(`limit.${limit}`),
      kind: "number",
      value: limits[limit] ?? "",
      hint: t("limit.hint"),
    })),
    async action(values) {
      for (const limit of LIMITS) {
        const address = path("api", "vhost-limits", name, limit);
        if (values[limit] !== undefined) await put(address, { value: values[limit] });
        else if (limits[limit] !== undefined) await remove(address);
      }
      done(t("saved", { name }));
      onDone();
    },
  });
}

function drop(name) {
  return confirm({
    title: t("vhost.delete", { name }),
    text: t("vhost.deleteText"),
    submit: t("delete"),
    name,
    async action() {
      await remove(path("api", "vhosts", name));
      done(t("deleted", { name }));
      go("vhosts");
    },
  });
}
