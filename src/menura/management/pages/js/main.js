// The beginning: who is there, which page, and what changes it. A page is a module with `open(view)`; the view is what
// it may use of all this, and what ends with it.

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import { Frame } from "./frame.js";
import { t } from "./i18n.js";
import { hold, listen, release } from "./keys.js";
import { live } from "./live.js";
import { loginPage } from "./login.js";
import { empty, header } from "./parts.js";
import { requery, resolve } from "./router.js";
import { explain, toasts } from "./toast.js";
import "./theme.js";

let frame;
let view;
let user;

class View {
  constructor(params, query, root) {
    Object.assign(this, { params, query, root, user, vhosts: frame.vhosts });
    this.ends = [];
    this.ended = false;
    this.awaited = 0;
  }

  title(text) {
    document.title = `${text} · Menura`;
  }

  show(...children) {
    fill(this.root, ...children);
  }

  /** Keep what is at `paths` on the page; an error with what makes the page goes in its place. */
  live(paths, show, { essential = Object.keys(paths) } = {}) {
    const shown = (name, data) => !this.ended && show(name, data);
    const failed = (name, error) => {
      if (this.ended || !essential.includes(name)) return;
      if (error.status === 404) this.gone();
      else if (error.status) this.trouble(error);
    };
    const stream = live(paths, shown, failed);
    this.onEnd(() => stream.stop());
    this.busyUntil(stream.first);
    return stream;
  }

  /** Say that what is shown is not all there yet. */
  async busyUntil(loaded) {
    this.awaited += 1;
    this.root.setAttribute("aria-busy", "true");
    await loaded;
    this.awaited -= 1;
    if (this.awaited === 0) this.root.removeAttribute("aria-busy");
  }

  gone() {
    this.end();
    this.show(
      header({ title: t("gone.title") }),
      empty(t("gone.title"), t("gone.text"), h("a", { href: "#/" }, t("nav.overview"))),
    );
  }

  trouble(error) {
    this.end();
    this.show(header({ title: t("trouble.title") }), empty(t("trouble.title"), explain(error)));
  }

  requery(changes) {
    Object.assign(this.query, changes);
    requery(changes);
  }

  isAdministrator() {
    return this.user.tags.includes("administrator");
  }

  mayMonitor() {
    return this.isAdministrator() || this.user.tags.includes("monitoring");
  }

  mayPolicies() {
    return this.isAdministrator() || this.user.tags.includes("policymaker");
  }

  onEnd(action) {
    this.ends.push(action);
  }

  end() {
    this.ended = true;
    for (const action of this.ends.splice(0)) action();
  }
}

async function navigate() {
  if (!frame) {
    release();
    return;
  }
  hold();
  view?.end();
  const at = location.hash;
  const { page, params, query } = resolve(at);
  if (params.name === "amq.default" && page === "exchange") params.name = "";
  const root = h("div", { class: `page ${page}` });
  const opened = new View(params, query, root);
  const moved = view !== undefined;
  view = opened;
  frame.at(page);
  if (page === undefined) opened.gone();
  else {
    try {
      const module = await import(`./pages/${page}.js`);
      if (view !== opened) return;
      module.open(opened);
    } catch (error) {
      if (view !== opened) return;
      opened.trouble(error);
      console.error(error);
    }
  }
  frame.show(root, at, moved);
  release();
}

async function enter() {
  try {
    user = await api.get("/api/whoami");
    if (typeof user.tags === "string") user.tags = user.tags.split(",").filter(Boolean);
  } catch (error) {
    askWho(error);
    return;
  }
  frame?.end();
  frame = new Frame(user, { onLogout: leave, onRedraw: enter });
  fill(document.body, frame.elements, toasts());
  await navigate();
}

function askWho(error) {
  view?.end();
  frame?.end();
  view = frame = undefined;
  release();
  fill(document.body, loginPage(enter, error), toasts());
}

function leave() {
  api.logout();
  askWho();
}

api.whenLoggedOut((error) => frame && askWho(error));
window.addEventListener("hashchange", navigate);
listen();
if (api.hasLogin()) enter();
else askWho();
