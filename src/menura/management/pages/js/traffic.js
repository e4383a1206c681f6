// The charts that several pages have: how many messages pass, and how many wait.

import { Chart, levelPoints, ratePoints } from "./chart.js";
import { t } from "./i18n.js";
import { rate } from "./format.js";

const RATES = [
  ["publish", "blue"],
  ["confirm", "grey"],
  ["deliver_get", "green"],
  ["ack", "violet"],
  ["redeliver", "amber"],
  ["return_unroutable", "red"],
];
const QUEUE_RATES = [
  ["publish", "blue"],
  ["deliver_get", "green"],
  ["ack", "violet"],
  ["redeliver", "amber"],
];
const CHANNEL_RATES = RATES;
const EXCHANGE_RATES = [
  ["publish_in", "blue"],
  ["publish_out", "green"],
];

function makeRateChart(rates) {
  const series = rates.map(([key, color]) => ({ key, color, label: t(`stats.${key}`), hint: t(`stats.${key}.hint`) }));
  const chart = new Chart({ label: t("chart.rates"), series, format: rate });
  const update = (stats) =>
    chart.update(Object.fromEntries(rates.map(([key]) => [key, ratePoints(stats?.[`${key}_details`])])));
  return { element: chart.element, update };
}

export const brokerRates = () => makeRateChart(RATES);
export const queueRates = () => makeRateChart(QUEUE_RATES);
export const channelRates = () => makeRateChart(CHANNEL_RATES);
export const exchangeRates = () => makeRateChart(EXCHANGE_RATES);

const LENGTHS = [
  ["messages", "grey"],
  ["messages_ready", "amber"],
  ["messages_unacknowledged", "violet"],
];

/** `update` takes what has messages_ready_details and so on. */
export function lengthChart() {
  const series = LENGTHS.map(([key, color]) => ({
    key,
    color,
    label: t(`stats.${key}`),
    hint: t(`stats.${key}.hint`),
  }));
  const chart = new Chart({ label: t("chart.lengths"), series });
  const update = (totals) =>
    chart.update(Object.fromEntries(LENGTHS.map(([key]) => [key, levelPoints(totals?.[`${key}_details`])])));
  return { element: chart.element, update };
}

/** Octets per second, of a connection. */
export function dataChart() {
  const series = [
    ["recv_oct", "blue"],
    ["send_oct", "green"],
  ].map(([key, color]) => ({ key, color, label: t(`stats.${key}`) }));
  const chart = new Chart({ label: t("chart.data"), series });
  const update = (connection) =>
    chart.update(Object.fromEntries(series.map(({ key }) => [key, ratePoints(connection[`${key}_details`])])));
  return { element: chart.element, update };
}
