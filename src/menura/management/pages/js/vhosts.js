// The virtual host that lists are of: chosen once, kept for the tab.

import { h, newId } from "./dom.js";
import { t } from "./i18n.js";
import { get, path } from "./api.js";

const STORED = "menura.vhost";

export function chosenVhost() {
  return sessionStorage.getItem(STORED) ?? "";
}

/** The path of a list: of one virtual host, or of all. */
export function listPath(kind) {
  return chosenVhost() ? path("api", kind, chosenVhost()) : path("api", kind);
}

/** Where something new goes, if nobody says. */
export function workingVhost(view) {
  return chosenVhost() || (view.vhosts.includes("/") || !view.vhosts.length ? "/" : view.vhosts[0]);
}

export function vhostField(view) {
  if (view.vhosts.length < 2) return { name: "vhost", kind: "fixed", value: workingVhost(view) };
  const options = view.vhosts;
  return { name: "vhost", label: t("vhost"), kind: "choice", options, value: workingVhost(view) };
}

/** The choice, beside a list's filter. It is there only if there is one to make. */
export function vhostFilter(onChoose) {
  const id = newId("vhost");
  const select = h("select", {
    id,
    on: {
      change: () => {
        sessionStorage.setItem(STORED, select.value);
        onChoose();
      },
    },
  });
  const element = h("div", { class: "filter", hidden: true }, h("label", { for: id }, t("vhost")), select);
  get("/api/vhosts?columns=name").then(
    (vhosts) => {
      select.append(
        h("option", { value: "" }, t("vhost.all")),
        ...vhosts.map(({ name }) => h("option", { value: name }, name)),
      );
      if (chosenVhost() && !vhosts.some(({ name }) => name === chosenVhost())) {
        sessionStorage.removeItem(STORED);
        onChoose();
      }
      select.value = chosenVhost();
      element.hidden = vhosts.length < 2;
    },
    () => {},
  );
  return element;
}
