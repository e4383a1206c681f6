// Numbers, sizes, times and names as people read them. What is not known is a dash.

import { locale, t } from "./i18n.js";

export const NONE = "–";
const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const AGES = [
  ["d", 86400],
  ["h", 3600],
  ["m", 60],
  ["s", 1],
];

const formats = new Map();
function number(options) {
  const key = locale() + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(locale(), options));
  return formats.get(key);
}

/** 12,345 */
export function count(value) {
  return isNumber(value) ? number({ maximumFractionDigits: 0 }).format(value) : NONE;
}

/** 12.3k: where there is little room. */
export function short(value) {
  if (!isNumber(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 1e9) return `${digits(value / 1e9)}G`;
  if (size >= 1e6) return `${digits(value / 1e6)}M`;
  if (size >= 1e4) return `${digits(value / 1e3)}k`;
  return size < 10 && value % 1 ? value.toFixed(1) : count(value);
}

function digits(value) {
  return number({ maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0 }).format(value);
}

/** 1,204/s */
export function rate(value) {
  if (!isNumber(value)) return NONE;
  return `${value > 0 && value < 10 ? number({ maximumFractionDigits: 1 }).format(value) : short(Math.round(value))}/s`;
}

/** 4.2 MiB */
export function bytes(value) {
  if (!isNumber(value)) return NONE;
  let unit = 0;
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit ? digits(value) : count(value)} ${BYTE_UNITS[unit]}`;
}

export function percent(share) {
  return isNumber(share) ? number({ style: "percent", maximumFractionDigits: 0 }).format(share) : NONE;
}

/** 3d 4h, of milliseconds: the two largest units. */
export function duration(ms) {
  if (!isNumber(ms)) return NONE;
  let seconds = Math.max(0, Math.round(ms / 1000));
  const parts = [];
  for (const [unit, size] of AGES) {
    if (seconds >= size || (unit === "s" && !parts.length)) {
      parts.push(`${Math.floor(seconds / size)}${t(`unit.${unit}`)}`);
      seconds %= size;
      if (parts.length === 2) break;
    } else if (parts.length) break;
  }
  return parts.join(" ");
}

export function time(ms) {
  return new Date(ms).toLocaleTimeString(locale(), { hour12: false });
}

export function clock(ms) {
  return new Date(ms).toLocaleTimeString(locale(), { hour12: false, hour: "2-digit", minute: "2-digit" });
}

export function moment(ms) {
  return isNumber(ms) && ms > 0
    ? new Date(ms).toLocaleString(locale(), { hour12: false, dateStyle: "medium", timeStyle: "medium" })
    : NONE;
}

/** The rate that the API gives beside a counter. */
export function rateOf(stats, name) {
  return stats?.[`${name}_details`]?.rate;
}

/** A value of a table of arguments, on one line. */
export function plain(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function exchangeName(name) {
  return name === "" ? t("exchange.default") : name;
}

export function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}
