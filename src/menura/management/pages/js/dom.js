// Elements are made here and nowhere else. Text only ever becomes a text node, so a name such as "<img onerror=...>"
// is shown as it is; no function of these pages takes HTML.

const SVG = "http://www.w3.org/2000/svg";
// Set as properties: as attributes they would be the first value only, or be refused by the content security policy.
const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "indeterminate", "readOnly", "hidden"]);

/** An element: `h("a", {href, class, on: {click}}, "text", node, [more])`. null, undefined and false are left out. */
export function h(tag, attributes, ...children) {
  return build(document.createElement(tag), attributes, children);
}

/** The same in SVG's namespace. */
export function s(tag, attributes, ...children) {
  return build(document.createElementNS(SVG, tag), attributes, children);
}

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) set(element, name, value);
  add(element, children);
  return element;
}

function set(element, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name === "on") {
    for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  } else if (name === "style") {
    for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
  } else if (PROPERTIES.has(name)) {
    element[name] = value;
  } else {
    element.setAttribute(name, value === true ? "" : value);
  }
}

function add(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) add(element, child);
    else if (child !== undefined && child !== null && child !== false) element.append(child);
  }
}

/** Put children in the place of what is there. */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

/** Change a text only if it differs, so that a selection in it survives. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let ids = 0;
/** An id for labels and descriptions. */
export function newId(stem = "x") {
  ids += 1;
  return `${stem}-${ids}`;
}

/** Children that keep their elements from one state to the next.
 *
 * `signature` says whether an element has to be made anew, or changed by `update(element, item)` if there is that;
 * elements whose key is gone go, and the order is that given.
 */
export function keyed(parent, { key, signature = JSON.stringify, make, update }) {
  const kept = new Map();
  return (items) => {
    const seen = new Set();
    let before = parent.firstChild;
    for (const item of items) {
      const id = key(item);
      const sign = signature(item);
      let known = kept.get(id);
      if (update && known !== undefined && known.sign !== sign) {
        update(known.element, item);
        known.sign = sign;
      } else if (known === undefined || known.sign !== sign) {
        const element = make(item);
        if (known) {
          if (before === known.element) before = element;
          known.element.replaceWith(element);
        }
        known = { element, sign };
        kept.set(id, known);
      }
      seen.add(id);
      if (known.element === before) before = before.nextSibling;
      else parent.insertBefore(known.element, before);
    }
    for (const [id, known] of kept) {
      if (!seen.has(id)) {
        known.element.remove();
        kept.delete(id);
      }
    }
  };
}
