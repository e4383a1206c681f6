// Moving, copying, replaying and deleting messages: a dialog that asks where to, then says what came of it.

import { ask } from "./dialog.js";
import { count } from "./format.js";
import { t, tn } from "./i18n.js";
import { transfer } from "./message_api.js";
import { done } from "./toast.js";
import { get, path } from "./api.js";

/** `choice` says which messages, {} for all; `count` how many those are, as far as is known. */
export function transferDialog({ kind, vhost, name, choice = {}, count: known, onDone }) {
  const targets = [
    {
      name: "target",
      label: t("transfer.to"),
      kind: "choice",
      options: [
        ["queue", t("queue")],
        ["exchange", t("exchange")],
      ],
      value: "queue",
    },
    {
      name: "queue",
      label: t("queue"),
      required: true,
      mono: true,
      list: suggestQueues(vhost),
      when: ({ target }) => target === "queue",
    },
    {
      name: "exchange",
      label: t("exchange"),
      mono: true,
      hint: t("transfer.exchangeHint"),
      when: ({ target }) => target === "exchange",
    },
    {
      name: "keep",
      label: t("transfer.keepKey"),
      kind: "check",
      value: true,
      when: ({ target }) => target === "exchange",
    },
    { name: "key", label: t("routingKey"), mono: true, when: ({ target, keep }) => target === "exchange" && !keep },
  ];
  const all = Object.keys(choice).length === 0;
  const sure = {
    name: "typed",
    label: t("confirm.type", { name }),
    required: true,
    mono: true,
    check: (value) => (value === name ? undefined : t("confirm.differs")),
  };
  return ask({
    title: t(`transfer.${kind}.title`, { name }),
    submit: t(`transfer.${kind}`),
    danger: kind === "delete",
    intro: `${known === undefined ? t("transfer.some") : tn("transfer.n", known)} ${t(`transfer.${kind}.text`)}`,
    fields: kind === "move" || kind === "copy" ? targets : kind === "delete" && all ? [sure] : [],
    async action({ target, queue, exchange, keep, key }) {
      const to =
        target === "queue"
          ? { to_queue: queue }
          : target === "exchange"
            ? { to_exchange: exchange || "amq.default", ...(keep ? {} : { new_routing_key: key }) }
            : {};
      const result = await transfer({ vhost, name }, kind, choice, to);
      onDone();
      const lost = [
        result.unrouted && t("transfer.unrouted", { n: count(result.unrouted) }),
        result.refused && t("transfer.refused", { n: count(result.refused) }),
      ].filter(Boolean);
      if (lost.length) throw new Error([tn("transfer.done", result.done), ...lost].join(" "));
      done(tn("transfer.done", result.done));
    },
  });
}

/** The id of a list of queues to choose from, filled when it is known. */
function suggestQueues(vhost) {
  const id = "known-queues";
  document.getElementById(id)?.remove();
  const list = document.createElement("datalist");
  list.id = id;
  document.body.append(list);
  get(`${path("api", "queues", vhost)}?columns=name&page=1&page_size=200&pagination=true`).then(
    ({ items }) =>
      list.append(...items.map(({ name }) => Object.assign(document.createElement("option"), { value: name }))),
    () => {},
  );
  return id;
}
