// Fields of a form, described as data: {name, label, kind, value, hint, required, options, check, when}.
//
// Kinds: text (the default), password, number, check, choice, lines (several lines), table (names and values, as
// arguments and headers are), json, fixed (known, and not shown). `check(value)` gives what is wrong with it;
// `when(values)` says whether the field is there at all.

import { fill, h, newId } from "./dom.js";
import { icon } from "./icons.js";
import { t } from "./i18n.js";

export class Form {
  constructor(fields) {
    this.fields = fields.map(makeField);
    this.element = h(
      "div",
      { class: "fields", on: { input: () => this.arrange(), change: () => this.arrange() } },
      this.fields.map((field) => field.element),
    );
    this.arrange();
  }

  focus() {
    const shown = this.fields.filter((field) => field.input && !field.element.hidden);
    (shown.find((field) => field.required && !field.input.value) ?? shown[0])?.input.focus();
  }

  arrange() {
    const values = Object.fromEntries(this.fields.map((field) => [field.name, field.rough()]));
    for (const field of this.fields)
      if (!field.fixed) field.element.hidden = field.when !== undefined && !field.when(values);
  }

  /** The values by name; undefined if there is something wrong, which is said at its field. */
  read() {
    const values = {};
    let first;
    for (const field of this.fields) {
      if (field.element.hidden && !field.fixed) continue;
      let trouble;
      try {
        values[field.name] = field.value();
        trouble = field.required && values[field.name] === "" ? t("form.required") : field.check?.(values[field.name]);
      } catch (error) {
        trouble = error.message;
      }
      field.say(trouble);
      if (trouble) first ??= field;
    }
    first?.input.focus();
    return first ? undefined : values;
  }
}

function makeField(description) {
  if (description.kind === "fixed") {
    const { name, value } = description;
    return { name, value: () => value, rough: () => value, say() {}, element: h("div", { hidden: true }), fixed: true };
  }
  const { label, hint, kind = "text" } = description;
  const [id, hintId, troubleId] = [newId("field"), newId("hint"), newId("trouble")];
  const trouble = h("p", { class: "trouble", id: troubleId });
  const described = hint ? `${hintId} ${troubleId}` : troubleId;
  const made = KINDS[kind](description, { id, "aria-describedby": described });
  const name = h(
    "label",
    { for: id },
    label,
    description.required && h("span", { class: "required", "aria-hidden": "true" }, "*"),
  );
  const element = h(
    "div",
    { class: `field ${kind}` },
    kind === "check" ? [made.element, name] : [name, made.element],
    hint && h("p", { class: "hint", id: hintId }, hint),
    trouble,
  );
  if (description.required) made.input.setAttribute("aria-required", "true");
  const say = (text) => {
    fill(trouble, text);
    made.input.setAttribute("aria-invalid", String(Boolean(text)));
  };
  return {
    rough: () => (made.input.type === "checkbox" ? made.input.checked : made.input.value),
    ...description,
    ...made,
    element,
    say,
  };
}

function written(tag, more = () => ({})) {
  return (field, attributes) => {
    const input = h(tag, {
      value: field.value ?? "",
      autocomplete: "off",
      spellcheck: "false",
      class: field.mono ? "mono" : null,
      placeholder: field.placeholder,
      ...more(field),
      ...attributes,
    });
    return { input, element: input, value: () => input.value };
  };
}

const KINDS = {
  text: written("input", (field) => ({ type: "text", list: field.list })),
  password: written("input", (field) => ({ type: "password", autocomplete: field.autocomplete ?? "new-password" })),
  lines: written("textarea", (field) => ({ rows: field.rows ?? 6 })),
  number(field, attributes) {
    const made = written("input", () => ({ type: "text", inputmode: "numeric" }))(field, attributes);
    const read = () => {
      const text = made.input.value.trim();
      if (text === "") return field.required ? "" : undefined;
      if (!/^-?\d+$/.test(text)) throw new Error(t("form.number"));
      return Number(text);
    };
    return { ...made, value: read };
  },
  json(field, attributes) {
    const made = written("textarea", () => ({ rows: field.rows ?? 6, class: "mono" }))(field, attributes);
    const read = () => {
      try {
        return JSON.parse(made.input.value);
      } catch (error) {
        throw new Error(t("form.json", { reason: error.message }));
      }
    };
    return { ...made, value: read };
  },
  check(field, attributes) {
    const input = h("input", { type: "checkbox", checked: Boolean(field.value), ...attributes });
    return { input, element: input, value: () => input.checked };
  },
  choice(field, attributes) {
    const input = h(
      "select",
      attributes,
      field.options.map((option) => {
        const [value, text] = Array.isArray(option) ? option : [option, option];
        return h("option", { value, selected: value === field.value }, text);
      }),
    );
    return { input, element: input, value: () => input.value };
  },
  table: makeTable,
};

/** Rows of a name and a value. A value that reads as JSON is that, anything else a text. */
function makeTable(field, attributes) {
  const rows = h("div", { class: "pairs" });
  const listId = newId("names");
  const names = h(
    "datalist",
    { id: listId },
    (field.names ?? []).map((name) => h("option", { value: name })),
  );
  const addRow = (name = "", value = "") => {
    const first = rows.childElementCount === 0 ? attributes : {};
    const row = h(
      "div",
      { class: "pair" },
      h("input", {
        value: name,
        list: listId,
        placeholder: t("form.name"),
        "aria-label": t("form.name"),
        class: "mono",
        ...first,
      }),
      h("input", { value, placeholder: t("form.value"), "aria-label": t("form.value"), class: "mono" }),
      h(
        "button",
        { type: "button", class: "bare", "aria-label": t("form.remove"), on: { click: () => row.remove() } },
        icon("close"),
      ),
    );
    rows.append(row);
    return row;
  };
  for (const [name, value] of Object.entries(field.value ?? {})) {
    addRow(name, typeof value === "string" && !looksLikeJson(value) ? value : JSON.stringify(value));
  }
  const input = addRow().firstChild;
  const more = h(
    "button",
    { type: "button", class: "small", on: { click: () => addRow().firstChild.focus() } },
    icon("plus", 14),
    t("form.add"),
  );
  const element = h("div", {}, rows, names, more);
  return {
    input: input.isConnected ? input : element.querySelector("input"),
    element,
    value: () => readPairs(rows),
    rough: () => undefined,
  };
}

function readPairs(rows) {
  const table = {};
  for (const row of rows.children) {
    const [name, value] = [row.children[0].value.trim(), row.children[1].value];
    if (name) table[name] = looksLikeJson(value) ? JSON.parse(value) : value;
  }
  return table;
}

function looksLikeJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
