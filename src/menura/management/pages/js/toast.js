// Short messages that something was done, or was not. Screen readers are told; failures stay until they are closed.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { t } from "./i18n.js";

const SHOWN_MS = 4000;
let place;

/** The live region; made once, kept while the frame is made anew. */
export function toasts() {
  place ??= h("div", { class: "toasts", role: "status", "aria-live": "polite" });
  return place;
}

/** Once the dialog that it is about has closed: with it open, what is outside is neither seen nor heard. */
function show(kind, text) {
  setTimeout(() => showNow(kind, text));
}

function showNow(kind, text) {
  const close = h(
    "button",
    { class: "bare", type: "button", "aria-label": t("close"), on: { click: () => gone() } },
    icon("close"),
  );
  const toast = h("div", { class: `toast ${kind}` }, icon(kind === "bad" ? "alert" : "check"), h("p", {}, text), close);
  const gone = () => toast.remove();
  place.append(toast);
  if (kind !== "bad") setTimeout(gone, SHOWN_MS);
}

export const done = (text) => show("good", text);

export function failed(error) {
  show("bad", explain(error));
}

/** What went wrong, in words. */
export function explain(error) {
  if (error.status === 0) return t("error.unreachable");
  if (error.status === 401) return t("error.refused", { reason: error.message });
  if (error.status === 404) return t("error.missing");
  return error.message;
}
