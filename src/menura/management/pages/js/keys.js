// The keyboard: "g" and a letter goes to a page, "/" to the filter, Ctrl K to anything, "?" shows the keys. Nothing is
// taken from somebody who writes into a field, or who holds a modifier.

import { h } from "./dom.js";
import { open } from "./dialog.js";
import { find } from "./finder.js";
import { t } from "./i18n.js";
import { go } from "./router.js";

export const PLACES = {
  o: "",
  q: "queues",
  e: "exchanges",
  c: "connections",
  h: "channels",
  s: "sessions",
  t: "topology",
  p: "policies",
  u: "users",
  v: "vhosts",
  w: "shovels",
  d: "definitions",
};
const SECOND_KEY_MS = 1500;

let waiting = 0;

export function listen() {
  document.addEventListener("keydown", press);
}

function press(event) {
  if (
    (event.ctrlKey || event.metaKey) &&
    event.key.toLowerCase() === "k" &&
    !document.querySelector("dialog[open], .login")
  ) {
    event.preventDefault();
    find();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (isWriting(event.target) || document.querySelector("dialog[open]")) return;
  const key = event.key.toLowerCase();
  if (event.timeStamp < waiting && key in PLACES) {
    waiting = 0;
    event.preventDefault();
    go(PLACES[key]);
    return;
  }
  waiting = 0;
  const action = { g: wait, "/": toFilter, "?": showKeys, j: () => step(1), k: () => step(-1), n: create }[event.key];
  if (action && action(event) !== false) event.preventDefault();
}

function isWriting(element) {
  return element.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(element.tagName);
}

function wait(event) {
  waiting = event.timeStamp + SECOND_KEY_MS;
}

function toFilter() {
  const filter = document.querySelector("[data-filter]");
  filter?.focus();
  filter?.select();
  return filter !== null;
}

/** The main action of a page. */
function create() {
  const button = document.querySelector("[data-create]");
  button?.click();
  return button !== null;
}

/** To the next or the last link of a list. */
function step(by) {
  const links = [...document.querySelectorAll("[data-row-link]")];
  if (!links.length) return false;
  const at = links.indexOf(document.activeElement);
  links[Math.min(links.length - 1, Math.max(0, at === -1 ? 0 : at + by))].focus();
  return true;
}

export function showKeys() {
  const rows = [
    ["?", t("keys.show")],
    ["Ctrl K", t("find.title")],
    ["/", t("keys.filter")],
    ["n", t("keys.create")],
    ["j  k", t("keys.step")],
    ["Esc", t("keys.close")],
    ...Object.entries(PLACES).map(([key, page]) => [`g ${key}`, t(`nav.${page || "overview"}`)]),
  ];
  const list = h(
    "dl",
    { class: "keys" },
    rows.map(([keys, what]) =>
      h(
        "div",
        {},
        h(
          "dt",
          {},
          keys.split(/\s+/).map((key) => h("kbd", {}, key)),
        ),
        h("dd", {}, what),
      ),
    ),
  );
  open({ title: t("keys.title"), body: list });
}
