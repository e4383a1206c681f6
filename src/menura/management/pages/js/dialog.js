// Dialogs, on the browser's own <dialog>: it keeps the focus inside, closes with Esc and gives the focus back.

import { fill, h, newId } from "./dom.js";
import { Form } from "./form.js";
import { icon } from "./icons.js";
import { t } from "./i18n.js";
import { explain } from "./toast.js";

/** Show one. `body` is a node or several; returns the element, which is gone once closed. */
export function open({ title, body, footer = [], wide = false, onClose = () => {} }) {
  const id = newId("title");
  const dialog = h("dialog", { class: wide ? "wide" : "", "aria-labelledby": id });
  const close = h(
    "button",
    { type: "button", class: "bare", "aria-label": t("close"), on: { click: () => dialog.close() } },
    icon("close"),
  );
  fill(
    dialog,
    h("header", {}, h("h2", { id }, title), close),
    h("div", { class: "body" }, body),
    footer.length > 0 && h("footer", {}, footer),
  );
  // A click beside it closes it; one that began inside and was dragged out does not.
  dialog.addEventListener("mousedown", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Ask for some values: `fields` as in form.js. `action(values)` does it; what it throws is shown, and nothing lost. */
export function ask({ title, intro, fields, submit, action, danger = false, wide = false }) {
  const form = new Form(fields);
  const trouble = h("p", { class: "trouble", role: "alert" });
  const button = h("button", { class: danger ? "danger solid" : "primary", type: "submit" }, submit);
  const cancel = h("button", { type: "button", on: { click: () => dialog.close() } }, t("cancel"));
  const element = h(
    "form",
    { id: newId("form"), novalidate: true, on: { submit: send } },
    intro && h("p", { class: "intro" }, intro),
    form.element,
    trouble,
    h("footer", {}, cancel, button),
  );
  const dialog = open({ title, body: element, wide });
  form.focus();

  async function send(event) {
    event.preventDefault();
    fill(trouble);
    const values = form.read();
    if (values === undefined) return;
    button.disabled = true;
    try {
      if ((await action(values)) !== false) dialog.close();
    } catch (error) {
      fill(trouble, explain(error));
    } finally {
      button.disabled = false;
    }
  }
  return dialog;
}

/** Make sure of something that cannot be undone. With `name`, it has to be typed. */
export function confirm({ title, text, submit, name, action, fields = [] }) {
  const check =
    name === undefined
      ? []
      : [
          {
            name: "typed",
            label: t("confirm.type", { name }),
            required: true,
            mono: true,
            check: (value) => (value === name ? undefined : t("confirm.differs")),
          },
        ];
  return ask({ title, intro: text, fields: [...fields, ...check], submit, action, danger: true });
}
