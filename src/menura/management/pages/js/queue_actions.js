// What can be done with queues, each as a dialog that asks what it has to know.

import { path, post, put, remove } from "./api.js";
import { ask, confirm } from "./dialog.js";
import { exchangeName } from "./format.js";
import { t } from "./i18n.js";
import { go } from "./router.js";
import { done } from "./toast.js";
import { vhostField } from "./vhosts.js";

const QUEUE_ARGUMENTS = [
  "x-message-ttl",
  "x-expires",
  "x-max-length",
  "x-max-length-bytes",
  "x-overflow",
  "x-dead-letter-exchange",
  "x-dead-letter-routing-key",
  "x-dead-letter-strategy",
  "x-delivery-limit",
  "x-max-priority",
  "x-single-active-consumer",
  "x-queue-mode",
  "x-consumer-timeout",
];

export function declareQueue(view, onDone) {
  return ask({
    title: t("queues.declare"),
    submit: t("declare"),
    fields: [
      vhostField(view),
      { name: "name", label: t("name"), required: true, mono: true },
      { name: "type", label: t("type"), kind: "choice", options: ["classic", "quorum"], value: "classic" },
      {
        name: "durable",
        label: t("queue.durable"),
        kind: "check",
        value: true,
        hint: t("queue.durableHint"),
        when: ({ type }) => type === "classic",
      },
      {
        name: "auto_delete",
        label: t("queue.autoDelete"),
        kind: "check",
        hint: t("queue.autoDeleteHint"),
        when: ({ type }) => type === "classic",
      },
      { name: "arguments", label: t("arguments"), kind: "table", names: QUEUE_ARGUMENTS, hint: t("arguments.hint") },
    ],
    async action({ vhost, name, type, durable = true, auto_delete = false, arguments: given }) {
      const argumentsOf = type === "classic" ? given : { "x-queue-type": type, ...given };
      await put(path("api", "queues", vhost, name), { durable, auto_delete, arguments: argumentsOf });
      done(t("queues.declared", { name }));
      onDone();
    },
  });
}

export function deleteQueue({ vhost, name, messages }) {
  return confirm({
    title: t("queue.delete", { name }),
    text: t("queue.deleteText", { n: messages ?? 0 }),
    submit: t("delete"),
    name,
    async action() {
      await remove(path("api", "queues", vhost, name));
      done(t("deleted", { name }));
      go("queues");
    },
  });
}

export function purgeQueue({ vhost, name, messages_ready: ready }, onDone) {
  return confirm({
    title: t("queue.purge", { name }),
    text: t("queue.purgeText", { n: ready ?? 0 }),
    submit: t("queue.purgeSubmit"),
    name,
    async action() {
      await remove(path("api", "queues", vhost, name, "contents"));
      done(t("queue.purged", { name }));
      onDone();
    },
  });
}

/** A binding to a queue or an exchange; what is known of it is not asked. */
export function addBinding({ vhost, source, destination, kind }, onDone) {
  const fields = [];
  if (source === undefined) fields.push({ name: "source", label: t("binding.source"), required: true, mono: true });
  if (destination === undefined) {
    fields.push({
      name: "kind",
      label: t("binding.to"),
      kind: "choice",
      options: [
        ["q", t("queue")],
        ["e", t("exchange")],
      ],
      value: "q",
    });
    fields.push({ name: "destination", label: t("binding.destination"), required: true, mono: true });
  }
  fields.push({ name: "routing_key", label: t("routingKey"), mono: true });
  fields.push({ name: "arguments", label: t("arguments"), kind: "table", names: ["x-match"] });
  return ask({
    title: t("binding.add"),
    submit: t("binding.bind"),
    fields,
    async action(values) {
      const all = { source, destination, kind, ...values };
      await post(path("api", "bindings", vhost, "e", all.source, all.kind, all.destination), {
        routing_key: all.routing_key,
        arguments: all.arguments,
      });
      done(t("binding.added"));
      onDone();
    },
  });
}

export function removeBinding(binding, onDone) {
  return confirm({
    title: t("binding.remove"),
    submit: t("binding.unbind"),
    text: t("binding.removeText", {
      source: exchangeName(binding.source),
      destination: binding.destination,
      key: binding.routing_key,
    }),
    async action() {
      const kind = binding.destination_type === "queue" ? "q" : "e";
      // The key of its properties is percent-encoded already: for the path it is a text like any other.
      await remove(
        path("api", "bindings", binding.vhost, "e", binding.source, kind, binding.destination, binding.properties_key),
      );
      done(t("binding.removed"));
      onDone();
    },
  });
}

/** Publish one message: to an exchange, or to a queue through the default one. */
export function publishMessage({ vhost, exchange, routingKey = "" }, onDone = () => {}) {
  return ask({
    title: t("publish.title", { name: exchange === "" && routingKey ? routingKey : exchangeName(exchange) }),
    submit: t("publish"),
    wide: true,
    fields: [
      { name: "routing_key", label: t("routingKey"), value: routingKey, mono: true },
      { name: "payload", label: t("message.body"), kind: "lines", mono: true, rows: 7 },
      {
        name: "encoding",
        label: t("message.encoding"),
        kind: "choice",
        options: [
          ["string", t("message.text")],
          ["base64", "Base64"],
        ],
        value: "string",
      },
      { name: "persistent", label: t("message.persistent"), kind: "check", value: true },
      { name: "content_type", label: t("message.contentType"), placeholder: "application/json", mono: true },
      { name: "headers", label: t("message.headers"), kind: "table" },
      {
        name: "properties",
        label: t("message.properties"),
        kind: "table",
        names: ["message_id", "correlation_id", "reply_to", "expiration", "priority", "type", "app_id", "timestamp"],
      },
    ],
    async action({ routing_key, payload, encoding, persistent, content_type, headers, properties }) {
      const all = { ...properties, delivery_mode: persistent ? 2 : 1, headers };
      if (content_type) all.content_type = content_type;
      const address = path("api", "exchanges", vhost, exchange === "" ? "amq.default" : exchange, "publish");
      const { routed } = await post(address, { routing_key, payload, payload_encoding: encoding, properties: all });
      onDone();
      if (!routed) throw new Error(t("publish.unrouted"));
      done(t("publish.done"));
    },
  });
}
