// What the broker tells of its journal and its loop, read from its metrics.

import { request } from "./api.js";
import { bytes, count } from "./format.js";
import { t } from "./i18n.js";

const LINE = /^(menura_[a-z_]+)(?:\{([^}]*)\})? (\S+)$/;
const LOOK_MS = 5000;

/** Call `show` with rows of names and values, now and every few seconds, until the returned function is called. */
export function followJournal(show) {
  let timer;
  let ended = false;
  const look = async () => {
    if (!document.hidden) {
      try {
        const answer = await request("GET", "/metrics");
        const rows = rowsOf(read(await answer.text()));
        if (!ended) show(rows);
      } catch {
        // The page's own stream says what is wrong.
      }
    }
    if (!ended) timer = setTimeout(look, LOOK_MS);
  };
  look();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}

/** {values: Map, buckets: Map of name to [[upper bound, how many at most so large]]}. */
function read(text) {
  const [values, buckets] = [new Map(), new Map()];
  for (const line of text.split("\n")) {
    const [, name, labels, number] = LINE.exec(line) ?? [];
    if (!name) continue;
    const bound = /le="([^"]+)"/.exec(labels ?? "")?.[1];
    if (bound) {
      const known = buckets.get(name) ?? [];
      known.push([bound === "+Inf" ? Infinity : Number(bound), Number(number)]);
      buckets.set(name, known);
    } else if (!labels) values.set(name, Number(number));
  }
  return { values, buckets };
}

function rowsOf({ values, buckets }) {
  const of = (name) => values.get(`menura_${name}`) ?? 0;
  const lag = [
    t("journal.lag"),
    t("journal.lagText", { p99: ms(quantile(buckets.get("menura_loop_lag_seconds_bucket"), 0.99)) }),
  ];
  const held = [
    t("journal.held"),
    t("overview.of", { used: bytes(of("memory_held_bytes")), limit: bytes(of("memory_watermark_bytes")) }),
  ];
  if (!of("journal_segments")) return [[t("journal.title"), t("journal.none")], held, lag];
  const syncs = of("journal_sync_seconds_count");
  const sync = of("sync_enabled")
    ? t("journal.syncText", {
        p99: ms(quantile(buckets.get("menura_journal_sync_seconds_bucket"), 0.99)),
        mean: ms(syncs ? of("journal_sync_seconds_sum") / syncs : undefined),
      })
    : t("journal.off");
  const appended = of("journal_appended_bytes_total");
  return [
    [
      t("journal.size"),
      t("journal.sizeText", {
        size: bytes(of("journal_size_bytes")),
        segments: count(of("journal_segments")),
        live: bytes(of("journal_live_bytes")),
      }),
    ],
    [t("journal.sync"), sync],
    [t("journal.amplification"), appended ? (of("journal_written_bytes_total") / appended).toFixed(2) : "–"],
    [t("journal.behind"), bytes(of("journal_behind_bytes"))],
    held,
    [t("journal.paged"), `${count(of("paged_messages"))} · ${bytes(of("paged_bytes"))}`],
    lag,
  ];
}

/** The bound of the bucket that a share of all lies within, in seconds. */
function quantile(buckets = [], share) {
  const all = buckets.at(-1)?.[1];
  return all ? buckets.find(([, number]) => number >= share * all)[0] : undefined;
}

function ms(seconds) {
  if (seconds === undefined) return "–";
  return seconds === Infinity
    ? "> 10 s"
    : `${(seconds * 1000).toLocaleString(undefined, { maximumFractionDigits: 2 })} ms`;
}
