// What a queue is doing, in a word: what its numbers say to those who know them.

import { rate, rateOf } from "./format.js";
import { t } from "./i18n.js";
import { status } from "./parts.js";

// Below this, growth is noise.
const GROWTH_MIN = 0.5;

/** {kind, word, element()}: kinds are those of `status`. */
export function queueState(queue) {
  const { kind, word, title } = judge(queue);
  return { kind, word, element: () => status(word, kind, title) };
}

function judge(queue) {
  if (queue.state && !["running", "idle", "flow"].includes(queue.state)) return { kind: "bad", word: queue.state };
  const waiting = queue.messages_ready ?? queue.messages ?? 0;
  if (waiting > 0 && !queue.consumers)
    return { kind: "warn", word: t("queue.noConsumers"), title: t("why.nobodyTitle") };
  const growth = queue.messages_details?.rate ?? 0;
  if (waiting > 0 && growth > GROWTH_MIN) return { kind: "warn", word: t("queue.growing", { rate: rate(growth) }) };
  if (isMoving(queue)) return { kind: "good", word: t("queue.running") };
  return { kind: "", word: t("queue.idle") };
}

function isMoving(queue) {
  const stats = queue.message_stats;
  return ["publish", "deliver_get", "ack"].some((name) => rateOf(stats, name) > 0);
}
