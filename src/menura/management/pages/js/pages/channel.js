// One channel.

import { path, withQuery } from "../api.js";
import { h, keyed } from "../dom.js";
import { count } from "../format.js";
import { t } from "../i18n.js";
import { empty, facts, header, link, section, tiles, vhostLink } from "../parts.js";
import { channelState, modeChips, prefetch } from "./channels.js";
import { consumerTable } from "./queue.js";
import { channelRates } from "../traffic.js";
import { windowChoice, windowQuery } from "../windows.js";

export function open(view) {
  const { name } = view.params;
  view.title(name);
  const head = h("div", {});
  const putHead = keyed(head, {
    key: () => "head",
    signature: (channel) => JSON.stringify([channel.state, channel.idle_since === undefined]),
    make: (channel) =>
      header({
        crumbs: [link(t("nav.channels"), "channels"), vhostLink(channel.vhost)],
        title: channel.name,
        chips: h("span", {}, channelState(channel), " ", modeChips(channel)),
      }),
  });
  const numbers = tiles([
    { key: "unacknowledged", label: t("stats.messages_unacknowledged"), kind: "violet" },
    { key: "unconfirmed", label: t("stats.messages_unconfirmed"), kind: "amber" },
    { key: "consumers", label: t("consumers") },
    { key: "prefetch", label: t("prefetch"), hint: t("channel.prefetchHint") },
  ]);
  const rates = channelRates();
  const about = facts();
  const consumers = consumerTable({ of: "queue", none: () => empty(t("channel.noConsumers")) });
  let stream;
  const follow = () => {
    stream?.stop();
    stream = view.live({ channel: withQuery(path("api", "channels", name), windowQuery()) }, (_, channel) => {
      putHead([channel]);
      numbers.update({
        unacknowledged: count(channel.messages_unacknowledged),
        unconfirmed: count(channel.messages_unconfirmed),
        consumers: count(channel.consumer_count),
        prefetch: prefetch(channel),
      });
      rates.update(channel.message_stats);
      consumers.update(channel.consumer_details ?? []);
      const connection = channel.connection_details?.name;
      about.update([
        [t("connection"), connection ? link(connection, "connections", connection) : "–"],
        [t("user"), link(channel.user, "users", channel.user)],
        [t("vhost"), vhostLink(channel.vhost)],
        [t("channel.confirm"), t(channel.confirm ? "yes" : "no")],
        [t("channel.transactional"), t(channel.transactional ? "yes" : "no")],
        [
          t("channel.uncommitted"),
          t("channel.uncommittedText", {
            messages: count(channel.messages_uncommitted),
            acks: count(channel.acks_uncommitted),
          }),
        ],
      ]);
    });
  };
  view.show(
    head,
    numbers.element,
    section(t("chart.rates"), rates.element, { actions: [windowChoice(follow)] }),
    section(t("consumers"), consumers.element, { flush: true }),
    section(t("channel.about"), about.element),
  );
  follow();
}
