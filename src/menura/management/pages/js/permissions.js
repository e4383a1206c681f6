// What users may do in virtual hosts: the tables on the page of a user and on that of a virtual host, and their
// dialogs.

import { get, path, put, remove } from "./api.js";
import { ask, confirm } from "./dialog.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { empty, exchangeLabel, link, vhostLink } from "./parts.js";
import { rowActions } from "./rows.js";
import { shortTable } from "./tables.js";
import { done } from "./toast.js";

/** The virtual hosts that each user may enter. */
export async function permissionsByUser() {
  const found = new Map();
  for (const { user, vhost } of await get("/api/permissions")) found.set(user, [...(found.get(user) ?? []), vhost]);
  return found;
}

const pattern = (name) => (row) => h("code", {}, row[name] === "" ? "^$" : row[name]);

/** `of` is what the rows are told apart by: "user" or "vhost". */
export function permissionTable(of, onChange) {
  return shortTable({
    label: t("permissions"),
    key: (row) => `${row.user}\n${row.vhost}`,
    none: () => empty(t("permissions.none"), t("permissions.noneText")),
    columns: [
      whoColumn(of),
      { label: t("permission.configure"), cell: pattern("configure") },
      { label: t("permission.write"), cell: pattern("write") },
      { label: t("permission.read"), cell: pattern("read") },
      {
        label: "",
        num: true,
        cell: (row) =>
          rowActions(
            { glyph: "policies", label: `${t("edit")}: ${row[of]}`, action: () => editPermission(row, onChange) },
            {
              glyph: "trash",
              label: `${t("permission.clear")}: ${row[of]}`,
              danger: true,
              action: () => clear(row, ["api", "permissions", row.vhost, row.user], onChange),
            },
          ),
      },
    ],
  });
}

export function topicPermissionTable(of, onChange) {
  return shortTable({
    label: t("permissions.topics"),
    key: (row) => `${row.user}\n${row.vhost}\n${row.exchange}`,
    none: () => empty(t("permissions.noTopics"), t("permissions.noTopicsText")),
    columns: [
      whoColumn(of),
      { label: t("exchange"), cell: (row) => exchangeLabel(row.exchange) },
      { label: t("permission.write"), cell: pattern("write") },
      { label: t("permission.read"), cell: pattern("read") },
      {
        label: "",
        num: true,
        cell: (row) =>
          rowActions(
            {
              glyph: "policies",
              label: `${t("edit")}: ${row.exchange}`,
              action: () => editTopicPermission(row, onChange),
            },
            {
              glyph: "trash",
              label: `${t("permission.clear")}: ${row.exchange}`,
              danger: true,
              action: () => clear(row, ["api", "topic-permissions", row.vhost, row.user, row.exchange], onChange),
            },
          ),
      },
    ],
  });
}

function whoColumn(of) {
  return of === "user"
    ? { label: t("user"), cell: (row) => link(row.user, "users", row.user) }
    : { label: t("vhost"), cell: (row) => vhostLink(row.vhost) };
}

/** `known` has the user or the virtual host, and the patterns so far; `vhosts` and `users` are to choose from. */
export function editPermission(known, onDone, { vhosts, users } = {}) {
  return ask({
    title: t("permission.set"),
    submit: t("save"),
    intro: t("permission.text"),
    fields: [
      ...whoFields(known, vhosts, users),
      ...["configure", "write", "read"].map((name) => ({
        name,
        label: t(`permission.${name}`),
        mono: true,
        value: known[name] ?? ".*",
        hint: t(`permission.${name}Hint`),
      })),
    ],
    async action({ user = known.user, vhost = known.vhost, ...patterns }) {
      await put(path("api", "permissions", vhost, user), patterns);
      done(t("saved", { name: user }));
      onDone();
    },
  });
}

export function editTopicPermission(known, onDone, { vhosts, users } = {}) {
  return ask({
    title: t("permission.setTopic"),
    submit: t("save"),
    intro: t("permission.topicText"),
    fields: [
      ...whoFields(known, vhosts, users),
      { name: "exchange", label: t("exchange"), required: true, mono: true, value: known.exchange ?? "amq.topic" },
      ...["write", "read"].map((name) => ({
        name,
        label: t(`permission.${name}`),
        mono: true,
        value: known[name] ?? ".*",
      })),
    ],
    async action({ user = known.user, vhost = known.vhost, ...said }) {
      await put(path("api", "topic-permissions", vhost, user), said);
      done(t("saved", { name: user }));
      onDone();
    },
  });
}

function whoFields(known, vhosts, users) {
  return [
    known.vhost === undefined && {
      name: "vhost",
      label: t("vhost"),
      kind: "choice",
      options: vhosts,
      value: vhosts[0],
    },
    known.user === undefined && { name: "user", label: t("user"), kind: "choice", options: users, value: users[0] },
  ].filter(Boolean);
}

function clear(row, parts, onDone) {
  return confirm({
    title: t("permission.clear"),
    text: t("permission.clearText", { user: row.user, vhost: row.vhost }),
    submit: t("delete"),
    async action() {
      await remove(path(...parts));
      done(t("permission.cleared"));
      onDone();
    },
  });
}
