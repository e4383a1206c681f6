// Who may log in.

import { path, put } from "../api.js";
import { ask } from "../dialog.js";
import { h } from "../dom.js";
import { t } from "../i18n.js";
import { List } from "../list.js";
import { button, chip, empty, header, rowLink } from "../parts.js";
import { done } from "../toast.js";
import { permissionsByUser } from "../permissions.js";

export const TAGS = ["administrator", "monitoring", "policymaker", "management", "impersonator"];

/** Tags, which older versions of the API give as one text. */
export function tagsOf(user) {
  return Array.isArray(user.tags) ? user.tags : (user.tags ?? "").split(",").filter(Boolean);
}

export function open(view) {
  view.title(t("nav.users"));
  let rights = new Map();
  const list = new List(view, {
    path: "/api/users",
    local: true,
    label: t("nav.users"),
    key: (user) => user.name,
    sort: "name",
    columns: [
      {
        id: "name",
        label: t("name"),
        text: (user) => user.name,
        node: (user) => rowLink(user.name, "users", user.name),
      },
      {
        id: "tags",
        label: t("user.tags"),
        text: (user) => tagsOf(user).join(" "),
        node: (user) =>
          h(
            "span",
            {},
            tagsOf(user).map((tag) => chip(tag, tag === "administrator" ? "accent" : "")),
          ),
      },
      {
        id: "vhosts",
        label: t("nav.vhosts"),
        low: 1,
        sort: false,
        text: (user) => (rights.get(user.name) ?? []).join(", ") || "–",
      },
      { id: "password", label: t("user.password"), low: 1, text: (user) => t(user.password_hash ? "yes" : "no") },
      {
        id: "limits",
        label: t("limits"),
        low: 2,
        sort: false,
        text: (user) =>
          Object.entries(user.limits ?? {})
            .map(([name, value]) => `${name}: ${value}`)
            .join(", ") || "–",
      },
    ],
    none: () => empty(t("users.none")),
  });
  permissionsByUser().then(
    (found) => {
      rights = found;
      if (list.whole) list.cut();
    },
    () => {},
  );
  const add = () => editUser(undefined, () => list.refresh());
  view.show(
    header({
      title: t("nav.users"),
      actions: [button(t("user.add"), { glyph: "plus", kind: "primary", create: true, action: add })],
    }),
    list.element,
  );
  list.open();
}

/** Make a user, or change one. A password that is left empty stays as it is. */
export function editUser(user, onDone) {
  const own = new Set(user ? tagsOf(user) : []);
  const fields = [
    !user && { name: "name", label: t("name"), required: true, mono: true },
    {
      name: "password",
      label: t("login.password"),
      kind: "password",
      required: !user,
      hint: user && t("user.passwordHint"),
    },
    ...TAGS.map((tag) => ({ name: tag, label: tag, kind: "check", value: own.has(tag), hint: t(`tag.${tag}`) })),
  ].filter(Boolean);
  return ask({
    title: user ? t("user.edit", { name: user.name }) : t("user.add"),
    submit: t("save"),
    fields,
    async action({ name = user?.name, password, ...chosen }) {
      const tags = [
        ...Object.keys(chosen).filter((tag) => chosen[tag]),
        ...[...own].filter((tag) => !TAGS.includes(tag)),
      ].join(",");
      const secret = password
        ? { password }
        : user?.password_hash
          ? { password_hash: user.password_hash, hashing_algorithm: user.hashing_algorithm }
          : {};
      await put(path("api", "users", name), { tags, ...secret });
      done(t("saved", { name }));
      onDone();
    },
  });
}
