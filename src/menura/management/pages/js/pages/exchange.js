// One exchange: what passes, where it comes from and where it goes.

import { path, withQuery } from "../api.js";
import { bindingTable } from "../bindings.js";
import { h } from "../dom.js";
import { count, exchangeName, rate, rateOf } from "../format.js";
import { t } from "../i18n.js";
import { deleteExchange } from "../exchange_actions.js";
import { button, chip, facts, header, link, menu, section, tiles, valueTable, vhostLink } from "../parts.js";
import { addBinding, publishMessage } from "../queue_actions.js";
import { exchangeFeatures } from "./exchanges.js";
import { exchangeRates } from "../traffic.js";
import { windowChoice, windowQuery } from "../windows.js";

export function open(view) {
  const { vhost, name } = view.params;
  const shown = exchangeName(name);
  view.title(shown);
  const address = path("api", "exchanges", vhost, name === "" ? "amq.default" : name);
  const chips = h("span", {});
  const numbers = tiles([
    { key: "in", label: t("stats.in"), kind: "blue" },
    { key: "out", label: t("stats.out"), kind: "green" },
    { key: "from", label: t("bindings.to") },
    { key: "to", label: t("bindings.from") },
  ]);
  const rates = exchangeRates();
  const settings = facts();
  const refresh = () => stream.refresh();
  const outgoing = bindingTable({
    label: t("bindings.to"),
    end: "destination",
    none: t(name === "" ? "bindings.default" : "bindings.noneFrom"),
    onChange: refresh,
  });
  const incoming = bindingTable({
    label: t("bindings.from"),
    end: "source",
    none: t("bindings.none"),
    onChange: refresh,
  });
  const take = {
    exchange(exchange) {
      numbers.update({
        in: rate(rateOf(exchange.message_stats, "publish_in") ?? 0),
        out: rate(rateOf(exchange.message_stats, "publish_out") ?? 0),
      });
      rates.update(exchange.message_stats);
      if (!chips.firstChild) chips.append(chip(exchange.type, "info"), " ", exchangeFeatures(exchange));
      settings.update([
        [t("type"), exchange.type],
        [t("queue.durable"), t(exchange.durable ? "yes" : "no")],
        [t("queue.autoDelete"), t(exchange.auto_delete ? "yes" : "no")],
        [t("exchange.internal"), t(exchange.internal ? "yes" : "no")],
        [t("arguments"), valueTable(exchange.arguments)],
        [t("policy"), exchange.policy || t("none")],
      ]);
    },
    outgoing(bindings) {
      numbers.update({ from: count(bindings.length) });
      outgoing.update(bindings);
    },
    incoming(bindings) {
      numbers.update({ to: count(bindings.length) });
      incoming.update(bindings);
    },
  };
  let stream;
  const follow = () => {
    stream?.stop();
    const paths = {
      exchange: withQuery(address, windowQuery()),
      outgoing: `${address}/bindings/source`,
      incoming: `${address}/bindings/destination`,
    };
    stream = view.live(paths, (each, data) => take[each](data));
  };
  const bind = () => addBinding({ vhost, source: name }, refresh);
  const system = name === "" || name.startsWith("amq.");
  view.show(
    header({
      crumbs: [link(t("nav.exchanges"), "exchanges"), vhostLink(vhost)],
      title: shown,
      chips,
      actions: [
        button(t("publish"), { glyph: "send", action: () => publishMessage({ vhost, exchange: name }, refresh) }),
        name !== "" && button(t("binding.add"), { glyph: "link", action: bind }),
        !system &&
          menu(t("more"), [
            {
              text: t("exchange.deleteMenu"),
              glyph: "trash",
              danger: true,
              action: () => deleteExchange({ vhost, name }),
            },
          ]),
      ],
    }),
    numbers.element,
    section(t("chart.rates"), rates.element, { actions: [windowChoice(follow)] }),
    h(
      "div",
      { class: "columns" },
      section(t("bindings.to"), outgoing.element, { flush: true, note: t("bindings.toNote") }),
      section(t("bindings.from"), incoming.element, { flush: true, note: t("bindings.fromNote") }),
    ),
    section(t("queue.tab.settings"), settings.element),
  );
  follow();
}
