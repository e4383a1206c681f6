// Everything that is defined, as a file: to keep, to compare, to load elsewhere.

import { get, path, post, request } from "../api.js";
import { confirm } from "../dialog.js";
import { fill, h, newId } from "../dom.js";
import { count } from "../format.js";
import { t } from "../i18n.js";
import { button, facts, header, section } from "../parts.js";
import { done, failed } from "../toast.js";

const PARTS = [
  "vhosts",
  "users",
  "permissions",
  "topic_permissions",
  "exchanges",
  "queues",
  "bindings",
  "policies",
  "parameters",
  "global_parameters",
];

export function open(view) {
  view.title(t("nav.definitions"));
  const vhosts = choice();
  const into = choice();
  const found = facts();
  const file = h("input", { id: newId("file"), type: "file", accept: ".json,application/json" });
  const trouble = h("p", { class: "trouble", role: "alert" });
  let definitions;
  const load = button(t("definitions.load"), {
    kind: "primary",
    glyph: "upload",
    disabled: true,
    action: () =>
      confirm({
        title: t("definitions.load"),
        text: t("definitions.loadText"),
        submit: t("definitions.load"),
        async action() {
          await post(into.value ? path("api", "definitions", into.value) : "/api/definitions", definitions);
          done(t("definitions.loaded"));
        },
      }),
  });
  file.addEventListener("change", async () => {
    fill(trouble);
    definitions = undefined;
    try {
      const text = await file.files[0]?.text();
      if (text !== undefined) definitions = JSON.parse(text);
    } catch (error) {
      fill(trouble, t("form.json", { reason: error.message }));
    }
    load.disabled = definitions === undefined;
    found.update(
      definitions
        ? PARTS.filter((part) => Array.isArray(definitions[part])).map((part) => [
            part,
            count(definitions[part].length),
          ])
        : [],
    );
  });
  view.show(
    header({ title: t("nav.definitions") }),
    h(
      "div",
      { class: "columns" },
      section(t("definitions.save"), [
        h("p", { class: "intro" }, t("definitions.saveText")),
        field(t("definitions.of"), vhosts),
        h(
          "p",
          {},
          button(t("definitions.save"), {
            kind: "primary",
            glyph: "definitions",
            create: true,
            action: () => save(vhosts.value),
          }),
        ),
      ]),
      section(t("definitions.load"), [
        h("p", { class: "intro" }, t("definitions.loadIntro")),
        h(
          "div",
          { class: "fields" },
          h("div", { class: "field" }, h("label", { for: file.id }, t("definitions.file")), file, trouble),
          field(t("definitions.into"), into),
        ),
        found.element,
        h("p", {}, load),
      ]),
    ),
  );
}

function field(label, select) {
  return h("div", { class: "field" }, h("label", { for: select.id }, label), select);
}

/** All, or one virtual host. */
function choice() {
  const select = h("select", { id: newId("vhost") }, h("option", { value: "" }, t("definitions.everything")));
  get("/api/vhosts?columns=name").then(
    (vhosts) => select.append(...vhosts.map(({ name }) => h("option", { value: name }, name))),
    () => {},
  );
  return select;
}

async function save(vhost) {
  try {
    const answer = await request("GET", vhost ? path("api", "definitions", vhost) : "/api/definitions");
    const text = JSON.stringify(await answer.json(), null, 2);
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    const day = new Date().toISOString().slice(0, 10);
    h("a", { href: address, download: `menura-definitions-${day}.json` }).click();
    URL.revokeObjectURL(address);
    done(t("definitions.saved"));
  } catch (error) {
    failed(error);
  }
}
