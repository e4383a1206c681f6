// One queue: what it is doing and why, what waits in it, where that comes from and who takes it.

import { path, withQuery } from "../api.js";
import { bindingTable } from "../bindings.js";
import { fill, h } from "../dom.js";
import { bytes, count, duration, moment, percent, rate, rateOf } from "../format.js";
import { t } from "../i18n.js";
import { MessageBrowser } from "../messages.js";
import { transferDialog } from "../message_actions.js";
import {
  button,
  chip,
  empty,
  facts,
  header,
  link,
  menu,
  section,
  tabs,
  tiles,
  valueTable,
  vhostLink,
} from "../parts.js";
import { addBinding, deleteQueue, publishMessage, purgeQueue } from "../queue_actions.js";
import { queueState } from "../queue_state.js";
import { reasonNotices, reasons } from "../why.js";
import { queueFeatures } from "./queues.js";
import { lengthChart, queueRates } from "../traffic.js";
import { shortTable } from "../tables.js";
import { windowChoice, windowQuery } from "../windows.js";

export function open(view) {
  const page = new QueuePage(view);
  view.title(view.params.name);
  page.open();
}

class QueuePage {
  constructor(view) {
    Object.assign(this, { view, ...view.params });
    this.address = path("api", "queues", this.vhost, this.name);
  }

  open() {
    const { view, name, vhost } = this;
    this.chips = h("span", {});
    this.why = h("div", { class: "notices", role: "status" });
    const publish = () => publishMessage({ vhost, exchange: "", routingKey: name }, () => this.refresh());
    const actions = [
      button(t("publish"), { glyph: "send", action: publish }),
      button(t("peek"), { glyph: "eye", action: () => this.tabs.choose("messages") }),
      menu(t("more"), [
        { text: t("transfer.moveAll"), glyph: "move", action: () => this.transfer("move") },
        { text: t("transfer.replayAll"), glyph: "replay", action: () => this.transfer("replay") },
        {
          text: t("binding.add"),
          glyph: "link",
          action: () => addBinding({ vhost, destination: name, kind: "q" }, () => this.refresh()),
        },
        {
          text: t("queue.purgeMenu"),
          glyph: "trash",
          danger: true,
          action: () => purgeQueue(this.queue ?? { vhost, name }, () => this.refresh()),
        },
        {
          text: t("queue.deleteMenu"),
          glyph: "trash",
          danger: true,
          action: () => deleteQueue(this.queue ?? { vhost, name }),
        },
      ]),
    ];
    this.tabs = tabs(
      [
        { id: "state", label: t("queue.tab.state"), make: () => this.makeState() },
        { id: "messages", label: t("queue.tab.messages"), make: () => this.makeMessages() },
        { id: "bindings", label: t("queue.tab.bindings"), make: () => this.makeBindings() },
        { id: "settings", label: t("queue.tab.settings"), make: () => this.makeSettings() },
      ],
      { chosen: view.query.tab, onChoose: (tab) => view.requery({ tab: tab === "state" ? undefined : tab }) },
    );
    view.show(
      header({ crumbs: [link(t("nav.queues"), "queues"), vhostLink(vhost)], title: name, chips: this.chips, actions }),
      this.why,
      this.tabs.element,
    );
    this.follow();
  }

  follow() {
    this.stream?.stop();
    const paths = {
      queue: withQuery(this.address, windowQuery()),
      bindings: `${this.address}/bindings`,
      growth: path("api", "menura", "queues", this.vhost, this.name, "why"),
    };
    this.stream = this.view.live(paths, (name, data) => this.take(name, data), { essential: ["queue"] });
  }

  refresh() {
    this.browser?.load();
    return this.stream.refresh();
  }

  take(name, data) {
    this[name] = data;
    this.tell();
  }

  tell() {
    const { queue } = this;
    if (this.bindings) this.bindingTable?.update(this.bindings);
    if (!queue) return;
    const consumers = queue.consumer_details ?? [];
    const state = queueState(queue);
    this.renew("chips", [state.word, queue.type, queue.policy, queue.arguments], () =>
      fill(this.chips, state.element(), " ", queueFeatures(queue)),
    );
    const found = reasons(queue, this.growth);
    this.renew("why", found, () => fill(this.why, reasonNotices(found)));
    this.numbers?.update({
      ready: count(queue.messages_ready),
      unacknowledged: count(queue.messages_unacknowledged),
      in: rate(rateOf(queue.message_stats, "publish") ?? 0),
      out: rate(rateOf(queue.message_stats, "deliver_get") ?? 0),
      consumers: count(queue.consumers),
      size: bytes(queue.message_bytes),
    });
    this.rates?.update(queue.message_stats);
    this.lengths?.update(queue);
    this.consumers?.update(consumers);
    this.settings?.update(this.settingRows());
  }

  /** Make a part anew if what it is made of differs. */
  renew(part, from, make) {
    const sign = JSON.stringify(from);
    this.signs ??= {};
    if (this.signs[part] !== sign) make();
    this.signs[part] = sign;
  }

  makeState() {
    this.numbers = tiles([
      { key: "ready", label: t("stats.messages_ready"), kind: "amber", hint: t("stats.messages_ready.hint") },
      {
        key: "unacknowledged",
        label: t("stats.messages_unacknowledged"),
        kind: "violet",
        hint: t("stats.messages_unacknowledged.hint"),
      },
      { key: "in", label: t("stats.in"), kind: "blue" },
      { key: "out", label: t("stats.out"), kind: "green" },
      { key: "consumers", label: t("consumers") },
      { key: "size", label: t("size") },
    ]);
    this.rates = queueRates();
    this.lengths = lengthChart();
    this.consumers = consumerTable({
      of: "channel",
      none: () => empty(t("queue.noConsumersYet"), t("queue.noConsumersText")),
    });
    queueMicrotask(() => this.tell());
    return [
      this.numbers.element,
      h(
        "div",
        { class: "columns" },
        section(t("chart.lengths"), this.lengths.element, { actions: [windowChoice(() => this.follow())] }),
        section(t("chart.rates"), this.rates.element),
      ),
      section(t("consumers"), this.consumers.element, { flush: true }),
    ];
  }

  makeMessages() {
    this.browser = new MessageBrowser(this.view, {
      vhost: this.vhost,
      name: this.name,
      onChange: () => this.stream?.refresh(),
    });
    return this.browser.element;
  }

  makeBindings() {
    const { vhost, name } = this;
    this.bindingTable = bindingTable({
      label: t("queue.tab.bindings"),
      end: "source",
      none: t("bindings.none"),
      onChange: () => this.refresh(),
    });
    queueMicrotask(() => this.tell());
    const add = button(t("binding.add"), {
      glyph: "plus",
      kind: "small",
      action: () => addBinding({ vhost, destination: name, kind: "q" }, () => this.refresh()),
    });
    return section(t("bindings.from"), this.bindingTable.element, { flush: true, actions: [add] });
  }

  makeSettings() {
    this.settings = facts();
    queueMicrotask(() => this.tell());
    return section(t("queue.tab.settings"), this.settings.element);
  }

  settingRows() {
    const { queue } = this;
    return [
      [t("type"), queue.type],
      [t("queue.durable"), t(queue.durable ? "yes" : "no")],
      [t("queue.autoDelete"), t(queue.auto_delete ? "yes" : "no")],
      [t("queue.exclusive"), t(queue.exclusive ? "yes" : "no")],
      [t("arguments"), valueTable(queue.arguments)],
      [t("policy"), queue.policy ? link(queue.policy, "policies", { name: queue.policy }) : t("none")],
      queue.operator_policy && [t("policy.operator"), queue.operator_policy],
      [t("policy.effective"), valueTable(queue.effective_policy_definition)],
      queue.consumer_utilisation !== undefined && [
        t("queue.capacity"),
        percent(queue.consumer_capacity ?? queue.consumer_utilisation),
      ],
      [t("queue.persistent"), `${count(queue.messages_persistent)} · ${bytes(queue.message_bytes_persistent)}`],
      queue.message_bytes_ram !== undefined && [t("queue.inMemory"), bytes(queue.message_bytes_ram)],
      queue.idle_since && [
        t("queue.idleSince"),
        `${moment(Date.parse(queue.idle_since))} (${duration(Date.now() - Date.parse(queue.idle_since))})`,
      ],
    ];
  }

  transfer(kind) {
    transferDialog({
      kind,
      vhost: this.vhost,
      name: this.name,
      count: this.queue?.messages_ready,
      onDone: () => this.refresh(),
    });
  }
}

/** Consumers of a queue, or of a channel. */
export function consumerTable({ of, none }) {
  const where =
    of === "channel"
      ? {
          label: t("channel"),
          cell: ({ channel_details: from }) => (from?.name ? link(from.name, "channels", from.name) : "–"),
        }
      : { label: t("queue"), cell: ({ queue }) => link(queue.name, "queues", queue.vhost, queue.name) };
  return shortTable({
    label: t("consumers"),
    key: (consumer) => `${consumer.channel_details?.name}\n${consumer.queue.name}\n${consumer.consumer_tag}`,
    none,
    columns: [
      where,
      { label: t("consumer.tag"), low: 1, cell: (consumer) => h("span", { class: "mono" }, consumer.consumer_tag) },
      { label: t("consumer.acks"), low: 2, cell: (consumer) => t(consumer.ack_required ? "yes" : "no") },
      {
        label: t("prefetch"),
        num: true,
        cell: (consumer) => (consumer.prefetch_count ? count(consumer.prefetch_count) : "∞"),
      },
      {
        label: t("state"),
        cell: (consumer) =>
          consumer.active === false ? chip(t("consumer.waiting")) : chip(t("consumer.active"), "good"),
      },
    ],
  });
}
