// The language of the pages: what the reader chose, or the browser's. Texts are in text/en.js and text/zh.js under the
// same keys. `t` fills in {names}; `tn` takes the form for a number ("key.one", "key.other").

import en from "./text/en.js";
import zh from "./text/zh.js";

const TEXTS = { en, zh };
const STORED = "menura.language";
export const LANGUAGES = { en: "English", zh: "中文" };

let current = "en";
let plurals = new Intl.PluralRules("en");

function preferred() {
  const stored = localStorage.getItem(STORED);
  if (stored in TEXTS) return stored;
  const known = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in TEXTS);
  return known ?? "en";
}

function use(code) {
  current = code;
  plurals = new Intl.PluralRules(locale());
  document.documentElement.lang = locale();
}

export function locale() {
  return current === "zh" ? "zh-CN" : "en";
}

export function language() {
  return current;
}

export function setLanguage(code) {
  localStorage.setItem(STORED, code);
  use(code);
}

export function t(key, values) {
  const text = TEXTS[current][key];
  if (text === undefined) throw new Error(`no text "${key}" in ${current}`);
  return values ? text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole)) : text;
}

export function tn(key, number, values) {
  const shown = number.toLocaleString(locale());
  return t(`${key}.${plurals.select(number) === "one" ? "one" : "other"}`, { n: shown, ...values });
}

/** Whether there is a text: for words that come from the broker, such as the states of a queue. */
export function has(key) {
  return key in TEXTS[current];
}

/** The text for a word of the broker, or that word. */
export function word(stem, value) {
  return has(`${stem}.${value}`) ? t(`${stem}.${value}`) : String(value);
}

use(preferred());
