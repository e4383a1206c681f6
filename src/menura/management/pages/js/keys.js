// The keyboard: "g" and a letter goes to a page, "/" to the filter, Ctrl K to anything, "?" shows the keys. Nothing is
// taken from somebody who writes into a field, or who holds a modifier. There is no time limit between "g" and the
// letter. While a page is being opened, keys wait for it: whoever types fast means the next page, not the last.

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

let afterG = false;
let opening = false;
const held = [];

export function listen() {
  document.addEventListener("keydown", press);
  document.addEventListener("pointerdown", () => {
    afterG = false;
  });
}

/** A page is being opened. */
export function hold() {
  opening = true;
}

/** It is there: what was pressed meanwhile is done. That may open another, for which the rest waits. */
export function release() {
  opening = false;
  while (held.length && !opening) play(held.shift());
}

function play(key) {
  if (isWriting(document.activeElement)) document.execCommand("insertText", false, key);
  else if (!document.querySelector("dialog[open]")) act(key);
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
  if (opening && event.key.length === 1) held.push(event.key);
  else if (!act(event.key)) return;
  event.preventDefault();
}

/** Whether the key means something here. */
function act(key) {
  const place = afterG ? PLACES[key.toLowerCase()] : undefined;
  afterG = false;
  if (place !== undefined) {
    leave(place);
    return true;
  }
  const action = { g: wait, "/": toFilter, "?": showKeys, j: () => step(1), k: () => step(-1), n: create }[key];
  return action !== undefined && action() !== false;
}

/** To a page. It is told a moment later that the address has changed. */
function leave(place) {
  const at = location.hash;
  go(place);
  if (location.hash !== at) hold();
}

function isWriting(element) {
  return element.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(element.tagName);
}

function wait() {
  afterG = true;
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
