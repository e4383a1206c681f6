// From anywhere to anything: pages, queues, exchanges and connections by a part of their name (Ctrl K).

import { get, withQuery } from "./api.js";
import { open } from "./dialog.js";
import { fill, h, newId } from "./dom.js";
import { exchangeName } from "./format.js";
import { icon } from "./icons.js";
import { t } from "./i18n.js";
import { to } from "./router.js";

const PAGES = [
  "overview",
  "topology",
  "connections",
  "channels",
  "sessions",
  "exchanges",
  "queues",
  "policies",
  "vhosts",
  "users",
  "shovels",
  "parameters",
  "definitions",
];
const KINDS = [
  {
    kind: "queues",
    columns: "name,vhost",
    found: ({ name, vhost }) => ({ text: name, detail: vhost, href: to("queues", vhost, name) }),
  },
  {
    kind: "exchanges",
    columns: "name,vhost",
    found: ({ name, vhost }) => ({ text: exchangeName(name), detail: vhost, href: to("exchanges", vhost, name) }),
  },
  {
    kind: "connections",
    columns: "name,user_provided_name,client_id",
    found: (each) => ({
      text: each.user_provided_name || each.client_id || each.name,
      detail: each.name,
      href: to("connections", each.name),
    }),
  },
];
const EACH_MAX = 6;
const TYPING_MS = 150;

export function find() {
  const listId = newId("found");
  const list = h("ul", { id: listId, role: "listbox", "aria-label": t("find.found") });
  const input = h("input", {
    type: "text",
    role: "combobox",
    "aria-expanded": "true",
    "aria-controls": listId,
    "aria-autocomplete": "list",
    "aria-label": t("find.title"),
    placeholder: t("find.hint"),
    autocomplete: "off",
    spellcheck: "false",
  });
  const dialog = open({ title: t("find.title"), body: h("div", { class: "finder" }, input, list) });
  let found = [];
  let at = 0;
  let typing;
  let looked;
  let looking;

  const choose = (index) => {
    at = Math.max(0, Math.min(found.length - 1, index));
    for (const [each, option] of [...list.children].entries())
      option.setAttribute("aria-selected", String(each === at));
    const chosen = list.children[at];
    if (chosen) {
      input.setAttribute("aria-activedescendant", chosen.id);
      chosen.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  };
  const show = (entries) => {
    found = entries;
    fill(
      list,
      found.map((entry) =>
        h(
          "li",
          { role: "option", id: newId("option"), on: { click: () => leave(entry) } },
          icon(entry.glyph, 16),
          h("span", { class: "name" }, entry.text),
          h("span", { class: "sub" }, entry.detail),
        ),
      ),
    );
    choose(0);
  };
  const leave = (entry) => {
    dialog.close();
    location.hash = entry.href;
  };
  const look = () => {
    clearTimeout(typing);
    looked = input.value.trim();
    looking = search(looked);
  };
  const search = async (wanted) => {
    const pages = matchingPages(wanted);
    show(pages);
    if (!wanted) return;
    const answers = await Promise.all(KINDS.map((each) => ask(each, wanted)));
    if (wanted === looked && dialog.open) show([...pages, ...answers.flat()]);
  };
  /** To what is chosen, of what fits the text as it is now: whoever types fast need not wait for the list. */
  const enter = async () => {
    if (input.value.trim() !== looked) look();
    if (!found[at]) await looking;
    if (dialog.open && found[at]) leave(found[at]);
  };
  input.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(look, TYPING_MS);
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return; // the keys are those of an input method, which ends a word with Enter
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) choose(at + by);
    else if (event.key === "Enter") enter();
    else return;
    event.preventDefault();
  });
  input.focus();
  look();
}

function matchingPages(wanted) {
  return PAGES.map((page) => ({
    text: t(`nav.${page}`),
    detail: "",
    glyph: page,
    href: page === "overview" ? "#/" : `#/${page}`,
  })).filter(({ text }) => text.toLowerCase().includes(wanted.toLowerCase()));
}

async function ask({ kind, columns, found }, name) {
  try {
    const { items } = await get(
      withQuery(`/api/${kind}`, { name, columns, page: 1, page_size: EACH_MAX, pagination: "true" }),
    );
    return items.map((each) => ({ ...found(each), glyph: kind }));
  } catch {
    return [];
  }
}
