// What is around every page: the way to the others, whether data are live, the alarms of the broker, language and
// theme.

import { get } from "./api.js";
import { find } from "./finder.js";
import { fill, h, setText } from "./dom.js";
import { icon, logo } from "./icons.js";
import { LANGUAGES, language, setLanguage, t } from "./i18n.js";
import { PLACES, showKeys } from "./keys.js";
import { onState } from "./live.js";
import { setTheme, theme, THEMES } from "./theme.js";

const GROUPS = [
  ["", ["overview", "topology"]],
  ["nav.clients", ["connections", "channels", "sessions"]],
  ["nav.messages", ["exchanges", "queues"]],
  ["nav.admin", ["policies", "vhosts", "users", "shovels", "parameters", "definitions"]],
];
// Pages that take more than the tag "management"; the broker refuses them to others.
const TAGS = {
  users: ["administrator"],
  definitions: ["administrator"],
  shovels: ["administrator", "monitoring"],
  parameters: ["administrator", "policymaker"],
};
const PARENTS = {
  connection: "connections",
  channel: "channels",
  exchange: "exchanges",
  queue: "queues",
  user: "users",
  vhost: "vhosts",
};
const THEME_ICONS = { auto: "auto", light: "sun", dark: "moon" };

export class Frame {
  constructor(user, { onLogout, onRedraw }) {
    this.user = user;
    this.vhosts = [];
    this.main = h("main", { id: "main", tabindex: "-1" });
    this.links = new Map();
    const skip = h(
      "a",
      {
        class: "skip",
        href: "#main",
        on: {
          click: (event) => {
            event.preventDefault();
            this.main.focus();
          },
        },
      },
      t("skip"),
    );
    this.side = this.makeSide();
    this.top = this.makeTop(onLogout, onRedraw);
    this.elements = [skip, this.top, this.side, this.main];
    // Beside the open menu, a touch closes it.
    this.touch = ({ target }) =>
      this.main.inert && !this.side.contains(target) && !this.opener.contains(target) && this.openMenu(false);
    document.addEventListener("pointerdown", this.touch);
    this.stopListening = onState((state) => this.tell(state));
    this.loaded = this.load();
  }

  async load() {
    try {
      const [overview, vhosts] = await Promise.all([
        get("/api/overview?columns=product_name,product_version,rabbitmq_version,node,cluster_name"),
        get("/api/vhosts?columns=name"),
      ]);
      this.vhosts.push(...vhosts.map(({ name }) => name));
      setText(this.where, overview.cluster_name ?? overview.node);
      this.where.title = `${overview.product_name} ${overview.product_version}`;
    } catch {
      // The page itself says what is wrong.
    }
  }

  makeSide() {
    const shortcuts = Object.fromEntries(Object.entries(PLACES).map(([key, page]) => [page || "overview", key]));
    const groups = GROUPS.map(([heading, pages]) =>
      h(
        "div",
        { class: "group" },
        heading && h("h2", {}, t(heading)),
        h(
          "ul",
          {},
          pages
            .filter((page) => !(page in TAGS) || TAGS[page].some((tag) => this.user.tags.includes(tag)))
            .map((page) => {
              const key = shortcuts[page];
              const hint = key && h("kbd", { "aria-hidden": "true" }, `g ${key}`);
              const link = h(
                "a",
                { href: page === "overview" ? "#/" : `#/${page}`, on: { click: () => this.openMenu(false) } },
                icon(page, 17),
                h("span", {}, t(`nav.${page}`)),
                hint,
              );
              this.links.set(page, link);
              return h("li", {}, link);
            }),
        ),
      ),
    );
    return h(
      "nav",
      {
        class: "side",
        id: "side",
        "aria-label": t("nav.label"),
        on: { keydown: (event) => event.key === "Escape" && this.openMenu(false) },
      },
      groups,
    );
  }

  makeTop(onLogout, onRedraw) {
    this.opener = h(
      "button",
      {
        class: "square bare opener",
        type: "button",
        "aria-label": t("nav.open"),
        "aria-expanded": "false",
        "aria-controls": "side",
        on: { click: () => this.openMenu(!document.body.classList.contains("menu-open")) },
      },
      icon("menu", 20),
    );
    this.where = h("span", { class: "where" });
    this.state = h("span", { class: "live", role: "status" });
    return h(
      "header",
      { class: "top" },
      this.opener,
      h("a", { class: "brand", href: "#/", "aria-label": "Menura" }, logo(), h("b", {}, "Menura")),
      this.where,
      this.state,
      h(
        "div",
        { class: "tools" },
        h(
          "button",
          {
            type: "button",
            class: "square bare",
            "aria-label": t("find.title"),
            title: `${t("find.title")} (Ctrl K)`,
            on: { click: find },
          },
          icon("search", 18),
        ),
        languageChoice(onRedraw),
        themeButton(),
        h(
          "button",
          {
            type: "button",
            class: "square bare wide-only",
            "aria-label": t("keys.title"),
            title: t("keys.title"),
            on: { click: showKeys },
          },
          icon("keyboard", 18),
        ),
        h("span", { class: "who wide-only" }, this.user.name),
        h(
          "button",
          {
            type: "button",
            class: "square bare",
            "aria-label": t("logout"),
            title: t("logout"),
            on: { click: onLogout },
          },
          icon("logout", 18),
        ),
      ),
    );
  }

  openMenu(open) {
    document.body.classList.toggle("menu-open", open);
    this.opener.setAttribute("aria-expanded", String(open));
    if (open) this.side.querySelector("a").focus();
    this.main.inert = open;
  }

  at(page) {
    const current = PARENTS[page] ?? page;
    for (const [each, link] of this.links) {
      if (each === current) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.openMenu(false);
  }

  show(root, at, moved) {
    fill(this.main, root);
    this.main.dataset.at = at || "#/";
    scrollTo(0, 0);
    // Who follows a link by keyboard goes on from the page's head, and hears it.
    if (moved) root.querySelector("h1")?.focus({ preventScroll: true });
  }

  tell(state) {
    this.state.dataset.state = state;
    fill(this.state, h("i", { "aria-hidden": "true" }), h("span", {}, t(`live.${state}`)));
  }

  end() {
    this.stopListening();
    document.removeEventListener("pointerdown", this.touch);
  }
}

export function languageChoice(onRedraw) {
  const other = Object.keys(LANGUAGES).find((code) => code !== language());
  const change = () => {
    setLanguage(other);
    onRedraw();
  };
  return h(
    "button",
    { type: "button", class: "bare", lang: other, title: t("language"), on: { click: change } },
    icon("globe", 18),
    h("span", {}, LANGUAGES[other]),
  );
}

export function themeButton() {
  const button = h("button", { type: "button", class: "square bare" });
  const show = () => {
    const label = t("theme", { name: t(`theme.${theme()}`) });
    fill(button, icon(THEME_ICONS[theme()], 18));
    button.title = label;
    button.setAttribute("aria-label", label);
  };
  button.addEventListener("click", () => {
    setTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
    show();
  });
  show();
  return button;
}
