// The messages that wait in a queue, read without taking them: filtered on the server, page by page, each to be opened;
// and what can be done with those that were chosen.

import { fill, h, newId } from "./dom.js";
import { bytes, count, duration, exchangeName } from "./format.js";
import { Form } from "./form.js";
import { icon } from "./icons.js";
import { t, tn } from "./i18n.js";
import { transferDialog } from "./message_actions.js";
import { peek } from "./message_api.js";
import { button, chip, empty, valueTable } from "./parts.js";
import { payloadView, preview } from "./payload.js";
import { explain } from "./toast.js";

const PAGE = 25;
const BODY_BYTES_MAX = 64 * 1024;

export class MessageBrowser {
  constructor(view, { vhost, name, onChange }) {
    Object.assign(this, { view, queue: { vhost, name }, onChange });
    this.cursors = [];
    this.messages = [];
    this.chosen = new Set();
    this.rows = h("div", { class: "messages", role: "list", "aria-label": t("queue.tab.messages") });
    this.said = h("span", { class: "said", role: "status" });
    this.all = h("input", {
      type: "checkbox",
      "aria-label": t("messages.chooseAll"),
      on: { change: () => this.chooseAll() },
    });
    this.acts = ["move", "copy", "replay", "delete"].map((kind) =>
      button(t(`transfer.${kind}`), {
        kind: kind === "delete" ? "small danger" : "small",
        glyph: kind === "delete" ? "trash" : kind,
        action: () => this.transfer(kind),
      }),
    );
    this.back = h(
      "button",
      { type: "button", class: "square", "aria-label": t("list.back"), on: { click: () => this.turn(-1) } },
      icon("left"),
    );
    this.forth = h(
      "button",
      { type: "button", class: "square", "aria-label": t("list.forth"), on: { click: () => this.turn(1) } },
      icon("right"),
    );
    this.place = h("span", {});
    this.element = h(
      "section",
      { class: "card flush", "aria-label": t("queue.tab.messages") },
      this.makeFilter(),
      h("div", { class: "peek-actions" }, this.all, this.said, this.acts),
      this.rows,
      h(
        "div",
        { class: "foot" },
        h("span", {}, t("messages.note")),
        h("span", { class: "gap" }),
        this.place,
        this.back,
        this.forth,
      ),
    );
    this.load();
  }

  makeFilter() {
    this.form = new Form([
      { name: "routing_key", label: t("routingKey"), mono: true },
      { name: "header", label: t("messages.header"), placeholder: "shop=eu-1", mono: true },
      { name: "body", label: t("messages.body"), mono: true },
      { name: "regex", label: t("messages.regex"), kind: "check" },
    ]);
    this.form.element.classList.replace("fields", "peek-fields");
    const submit = (event) => {
      event.preventDefault();
      this.cursors = [];
      this.load();
    };
    return h(
      "form",
      { class: "peek-filter", on: { submit } },
      [...this.form.element.children],
      h("button", { type: "submit" }, icon("search", 15), t("messages.look")),
    );
  }

  /** Which messages are meant by the filter, as the API says it. */
  choice() {
    const { routing_key, header, body, regex } = this.form.read();
    const choice = {};
    if (routing_key) choice.routing_key = routing_key;
    if (header) {
      const [name, ...rest] = header.split("=");
      const value = rest.join("=");
      if (rest.length) choice.headers = { [name.trim()]: asValue(value.trim()) };
      else choice.has_headers = [name.trim()];
    }
    if (body) choice[regex ? "body_matches" : "body_contains"] = body;
    return choice;
  }

  async load() {
    this.attempt = (this.attempt ?? 0) + 1;
    const { attempt } = this;
    try {
      const found = await peek(this.queue, this.choice(), {
        count: PAGE,
        after: this.cursors.at(-1),
        bodyBytes: BODY_BYTES_MAX,
      });
      if (attempt !== this.attempt || this.view.ended) return;
      this.show(found);
    } catch (error) {
      if (attempt === this.attempt) fill(this.rows, empty(t("trouble.title"), explain(error)));
    }
  }

  turn(by) {
    if (by > 0) this.cursors.push(this.next);
    else this.cursors.pop();
    this.load();
  }

  show({ messages, complete, next }) {
    // Where a page ends at its size, there may be nothing behind it.
    Object.assign(this, { messages, next });
    this.chosen.clear();
    this.back.disabled = this.cursors.length === 0;
    this.forth.disabled = !next || messages.length < PAGE;
    const first = this.cursors.length * PAGE;
    fill(
      this.place,
      messages.length ? t("messages.place", { from: count(first + 1), to: count(first + messages.length) }) : "",
    );
    const filtered = Object.keys(this.choice()).length > 0;
    const nothing = filtered
      ? empty(t("messages.noMatch"), complete ? t("messages.noMatchText") : t("messages.cutShort"))
      : empty(t("messages.none"), t("messages.noneText"));
    fill(this.rows, this.messages.length ? this.messages.map((message) => this.row(message)) : nothing);
    this.tell();
  }

  row(message) {
    const bodyId = newId("message");
    const body = h("div", { class: "message-body", id: bodyId, hidden: true });
    const choose = h("input", {
      type: "checkbox",
      "aria-label": t("messages.choose", { position: message.position }),
      on: {
        change: () => {
          this.chosen[choose.checked ? "add" : "delete"](message.position);
          this.tell();
        },
        click: (event) => event.stopPropagation(),
      },
    });
    const toggle = () => {
      body.hidden = !body.hidden;
      opener.setAttribute("aria-expanded", String(!body.hidden));
      if (!body.hidden && !body.firstChild) fill(body, details(message));
    };
    const opener = h(
      "button",
      {
        type: "button",
        class: "open",
        "aria-expanded": "false",
        "aria-controls": bodyId,
        "aria-label": t("messages.open", { position: message.position }),
      },
      icon("right", 15),
    );
    const head = h(
      "div",
      { class: "head", on: { click: toggle } },
      choose,
      opener,
      h("span", { class: "position", title: t("messages.position") }, `#${message.position}`),
      h("span", { class: "key" }, message.routing_keys.join(", ") || "–"),
      h("span", { class: "preview" }, preview(message)),
      h(
        "span",
        { class: "size" },
        message.redelivered && chip(t("messages.redelivered"), "warn"),
        " ",
        bytes(message.payload_bytes),
      ),
    );
    return h("div", { class: "message", role: "listitem" }, head, body);
  }

  chooseAll() {
    const boxes = this.rows.querySelectorAll("input[type=checkbox]");
    for (const [at, box] of boxes.entries()) {
      box.checked = this.all.checked;
      this.chosen[box.checked ? "add" : "delete"](this.messages[at].position);
    }
    this.tell();
  }

  tell() {
    this.all.checked = this.chosen.size > 0 && this.chosen.size === this.messages.length;
    this.all.indeterminate = this.chosen.size > 0 && this.chosen.size < this.messages.length;
    fill(this.said, this.chosen.size ? tn("messages.chosen", this.chosen.size) : t("messages.chosenNone"));
    for (const act of this.acts) act.disabled = this.messages.length === 0;
  }

  /** Of those that were chosen; of all that fit the filter, if none was. */
  transfer(kind) {
    const chosen = [...this.chosen];
    const choice = chosen.length ? { positions: chosen } : this.choice();
    const onDone = () => {
      this.load();
      this.onChange();
    };
    transferDialog({ kind, ...this.queue, choice, count: chosen.length || undefined, onDone });
  }
}

function details(message) {
  const { headers: { "x-death": _, ...headers } = {}, ...properties } = message.properties;
  const said = { exchange: exchangeName(message.exchange), ...properties };
  if (message.expires_at_ms) said[t("messages.expires")] = duration(message.expires_at_ms - Date.now());
  return [
    h(
      "div",
      {},
      message.deaths.length > 0 && deathList(message.deaths),
      h("h2", {}, t("message.properties")),
      valueTable(said),
      h("h2", {}, t("message.headers")),
      valueTable(headers),
    ),
    h("div", {}, h("h2", {}, `${t("message.body")} · ${bytes(message.payload_bytes)}`), payloadView(message)),
  ];
}

/** How a dead letter came here. */
function deathList(deaths) {
  return h(
    "div",
    {},
    h("h2", {}, t("messages.deaths")),
    h(
      "ol",
      {},
      deaths.map((death) =>
        h("li", {}, t("messages.death", { queue: death.queue, reason: death.reason, count: death.count ?? 1 })),
      ),
    ),
  );
}

function asValue(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
