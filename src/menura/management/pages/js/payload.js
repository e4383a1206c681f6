// A message's body for people to read: as JSON laid out, as text, or octet by octet.

import { fill, h } from "./dom.js";
import { bytes } from "./format.js";
import { t } from "./i18n.js";
import { segmented } from "./parts.js";

const HEX_ROW = 16;
const HEX_BYTES_MAX = 16 * 1024;
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b/g;

/** {element, text}: `message` is as the API gives it. */
export function payloadView(message) {
  const octets = octetsOf(message);
  const text = textOf(octets);
  const parsed = text === undefined ? undefined : parse(text);
  const shown = h("pre", { tabindex: "0", "aria-label": t("message.body") });
  const ways = [
    parsed !== undefined && ["json", "JSON"],
    text !== undefined && ["text", t("message.text")],
    ["hex", "Hex"],
  ].filter(Boolean);
  const choose = (way) => {
    shown.className = way === "hex" ? "hex" : "";
    fill(shown, way === "json" ? coloured(JSON.stringify(parsed, null, 2)) : way === "text" ? text : hex(octets));
  };
  choose(ways[0][0]);
  const cut =
    message.payload_truncated && h("span", { class: "note" }, t("message.cut", { size: bytes(message.payload_bytes) }));
  const copy = h(
    "button",
    { type: "button", class: "small", on: { click: () => navigator.clipboard?.writeText(shown.textContent) } },
    t("copy"),
  );
  return h(
    "div",
    {},
    h(
      "div",
      { class: "code-head" },
      segmented(t("message.shownAs"), ways, { chosen: ways[0][0], onChoose: choose }),
      cut,
      navigator.clipboard && copy,
    ),
    shown,
  );
}

/** The beginning, on one line. */
export function preview(message, length = 160) {
  const text = textOf(octetsOf(message));
  return text === undefined ? t("message.binary") : text.slice(0, length).replace(/\s+/g, " ");
}

function octetsOf({ payload, payload_encoding: encoding }) {
  if (encoding === "base64") return Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
  return new TextEncoder().encode(payload);
}

function textOf(octets) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(octets);
    // Control characters mean that nobody meant it to be read.
    return /[\x00-\x08\x0e-\x1f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function parse(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function coloured(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(TOKEN)) {
    parts.push(text.slice(end, found.index));
    const [whole, string, colon] = found;
    if (string) parts.push(h("span", { class: colon ? "json-key" : "json-text" }, string), colon);
    else parts.push(h("span", { class: /^[-\d]/.test(whole) ? "json-number" : "json-word" }, whole));
    end = found.index + whole.length;
  }
  parts.push(text.slice(end));
  return parts;
}

function hex(octets) {
  const lines = [];
  for (let at = 0; at < Math.min(octets.length, HEX_BYTES_MAX); at += HEX_ROW) {
    const row = [...octets.subarray(at, at + HEX_ROW)];
    const codes = row.map((octet) => octet.toString(16).padStart(2, "0")).join(" ");
    const letters = row.map((octet) => (octet > 31 && octet < 127 ? String.fromCharCode(octet) : "·")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${codes.padEnd(HEX_ROW * 3)} ${letters}`);
  }
  return lines.join("\n");
}
