// One user: tags, permissions, limits.

import { get, path, put, remove } from "../api.js";
import { ask, confirm } from "../dialog.js";
import { fill, h } from "../dom.js";
import { t } from "../i18n.js";
import { button, chip, facts, header, link, menu, section } from "../parts.js";
import { editPermission, editTopicPermission, permissionTable, topicPermissionTable } from "../permissions.js";
import { go } from "../router.js";
import { done } from "../toast.js";
import { editUser, tagsOf } from "./users.js";

export function open(view) {
  const { name } = view.params;
  view.title(name);
  let user = { name };
  const refresh = () => stream.refresh();
  const chips = h("span", {});
  const about = facts();
  const permissions = permissionTable("vhost", refresh);
  const topics = topicPermissionTable("vhost", refresh);
  const take = {
    user(found) {
      user = found;
      change.disabled = false;
      fill(
        chips,
        tagsOf(user).map((tag) => chip(tag, tag === "administrator" ? "accent" : "")),
      );
      about.update([
        [t("user.tags"), tagsOf(user).join(", ") || t("none")],
        [t("user.password"), t(user.password_hash ? "user.hasPassword" : "user.noPassword")],
        [t("user.hashing"), user.hashing_algorithm],
        ...["max-connections", "max-channels"].map((limit) => [
          t(`limit.${limit}`),
          user.limits?.[limit] ?? t("limit.none"),
        ]),
      ]);
    },
    permissions: (rows) => permissions.update(rows),
    topics: (rows) => topics.update(rows),
  };
  const choose = (edit) => async () =>
    edit({ user: name }, refresh, { vhosts: (await get("/api/vhosts?columns=name")).map((vhost) => vhost.name) });
  // Before it is known what there is to change, saving would clear it.
  const change = button(t("edit"), { glyph: "policies", disabled: true, action: () => editUser(user, refresh) });
  view.show(
    header({
      crumbs: [link(t("nav.users"), "users")],
      title: name,
      chips,
      actions: [
        change,
        menu(t("more"), [
          { text: t("limit.set"), glyph: "parameters", action: () => editLimits(user, refresh) },
          { text: t("user.deleteMenu"), glyph: "trash", danger: true, action: () => drop(name) },
        ]),
      ],
    }),
    section(t("permissions"), permissions.element, {
      flush: true,
      actions: [button(t("permission.set"), { glyph: "plus", kind: "small", action: choose(editPermission) })],
    }),
    section(t("permissions.topics"), topics.element, {
      flush: true,
      actions: [
        button(t("permission.setTopic"), { glyph: "plus", kind: "small", action: choose(editTopicPermission) }),
      ],
    }),
    section(t("user.about"), about.element),
  );
  const address = path("api", "users", name);
  const stream = view.live(
    { user: address, permissions: `${address}/permissions`, topics: `${address}/topic-permissions` },
    (each, data) => take[each](data),
    { essential: ["user"] },
  );
}

function editLimits(user, onDone) {
  const limits = ["max-connections", "max-channels"];
  return ask({
    title: t("limit.set"),
    submit: t("save"),
    fields: limits.map((limit) => ({
      name: limit,
      label: t(`limit.${limit}`),
      kind: "number",
      value: user.limits?.[limit] ?? "",
      hint: t("limit.hint"),
    })),
    async action(values) {
      for (const limit of limits) {
        const address = path("api", "user-limits", user.name, limit);
        if (values[limit] !== undefined) await put(address, { value: values[limit] });
        else if (user.limits?.[limit] !== undefined) await remove(address);
      }
      done(t("saved", { name: user.name }));
      onDone();
    },
  });
}

function drop(name) {
  return confirm({
    title: t("user.delete", { name }),
    text: t("user.deleteText"),
    submit: t("delete"),
    name,
    async action() {
      await remove(path("api", "users", name));
      done(t("deleted", { name }));
      go("users");
    },
  });
}
