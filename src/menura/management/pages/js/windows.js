// The stretches of time that charts show, and the parameters that ask the API for them.

import { t } from "./i18n.js";
import { segmented } from "./parts.js";

const STORED = "menura.window";
const WINDOWS = { "1m": [60, 5], "10m": [600, 5], "1h": [3600, 60] };

export function chosenWindow() {
  const stored = sessionStorage.getItem(STORED);
  return stored in WINDOWS ? stored : "10m";
}

/** As query parameters. */
export function windowQuery() {
  const [age, incr] = WINDOWS[chosenWindow()];
  return {
    msg_rates_age: age,
    msg_rates_incr: incr,
    lengths_age: age,
    lengths_incr: incr,
    data_rates_age: age,
    data_rates_incr: incr,
  };
}

export function windowChoice(onChoose) {
  const options = Object.keys(WINDOWS).map((name) => [name, t(`window.${name}`)]);
  return segmented(t("window.label"), options, {
    chosen: chosenWindow(),
    onChoose: (name) => {
      sessionStorage.setItem(STORED, name);
      onChoose();
    },
  });
}
