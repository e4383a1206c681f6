// Why a queue is as it is, in sentences. What is to be seen the broker finds out (`/api/menura/queues/.../why`); the
// words for it are here.

import { bytes, count, duration, rate } from "./format.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { link, notice } from "./parts.js";

const SHRINKING_MIN = 0.5;

const WORDS = {
  no_consumers: (_, { rates, messages_ready: ready }) => ({
    kind: "warn",
    title: t("why.nobody", { n: count(ready) }),
    text: t(rates.publish > 0 ? "why.nobodyGrowing" : "why.nobodyText", { rate: rate(rates.publish) }),
  }),
  single_active_consumer: ({ waiting }) => ({
    kind: "info",
    title: t("why.single", { n: count(waiting) }),
    text: t("why.singleText"),
  }),
  consumers_not_reading: ({ count: some, of }) => ({
    kind: "warn",
    title: t("why.unread", { n: count(some), of: count(of) }),
    text: t("why.unreadText"),
  }),
  prefetch_exhausted: ({ unacknowledged }) => ({
    kind: "warn",
    title: t("why.full", { n: count(unacknowledged) }),
    text: t("why.fullText"),
  }),
  consumers_slower: ({ publish_rate: coming, leaving_rate: leaving }) => ({
    kind: "warn",
    title: t("why.slow", { in: rate(coming), out: rate(leaving) }),
    text: t("why.slowText", { rate: rate(coming - leaving) }),
  }),
  nothing_acknowledged: ({ unacknowledged }) => ({
    kind: "info",
    title: t("why.held", { n: count(unacknowledged) }),
    text: t("why.heldText"),
  }),
  redelivered: ({ redeliver_rate: again, deliver_rate: all }) => ({
    kind: "warn",
    title: t("why.again", { again: rate(again), rate: rate(all) }),
    text: t("why.againText"),
  }),
  dead_letter_loop: ({ queues }) => ({
    kind: "warn",
    title: t("why.loop", { path: queues.join(" → ") }),
    text: t("why.loopText"),
  }),
  dead_letters: ({ queue, reason }) => ({
    kind: "info",
    title: t("why.dead", { queue, reason }),
    text: t("why.deadText"),
  }),
  limit_reached: ({ max_length: length, max_length_bytes: size, overflow }) => ({
    kind: "bad",
    title: t("why.limit", { limit: [length && count(length), size && bytes(size)].filter(Boolean).join(", ") }),
    text: t(overflow === "drop-head" ? "why.limitDrop" : "why.limitReject"),
  }),
  no_limits: () => ({ kind: "info", title: t("why.noLimits"), text: t("why.noLimitsText") }),
  memory_short: ({ used_bytes: used, watermark_bytes: limit }) => ({
    kind: "bad",
    title: t("alarm.memory"),
    text: t("alarm.memoryText", { used: bytes(used), limit: bytes(limit) }),
  }),
};

/** [{kind, title, text, consumers}] of a queue and what the broker found about it, the weightiest first. */
export function reasons(queue, growth) {
  const found = (growth?.findings ?? [])
    .filter(({ code }) => code in WORDS)
    .map((finding) => ({
      ...WORDS[finding.code](finding, growth),
      consumers: Array.isArray(finding.consumers) ? finding.consumers : [],
    }));
  const change = queue.messages_details?.rate ?? 0;
  if (queue.messages_ready > 0 && queue.consumers && change < -SHRINKING_MIN) {
    const time = duration((queue.messages_ready / -change) * 1000);
    found.unshift({
      kind: "good",
      title: t("why.draining", { rate: rate(-change) }),
      text: t("why.drainingText", { time }),
      consumers: [],
    });
  }
  return found;
}

/** As they are shown; consumers that are to blame are linked to. */
export function reasonNotices(found) {
  return found.map(({ kind, title, text, consumers }) => {
    const known = consumers.filter(({ connection }) => connection);
    const who = known.flatMap(({ connection }, at) => [at ? ", " : "", link(connection, "connections", connection)]);
    return notice(kind, title, known.length ? h("span", {}, text, " ", t("why.who"), " ", who) : text);
  });
}
