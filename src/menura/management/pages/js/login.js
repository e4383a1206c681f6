// Who is there? The name and the password are kept until the tab is closed.

import * as api from "./api.js";
import { fill, h } from "./dom.js";
import { Form } from "./form.js";
import { logo } from "./icons.js";
import { languageChoice, themeButton } from "./frame.js";
import { t } from "./i18n.js";

export function loginPage(enter, error) {
  document.title = t("login.title");
  const trouble = h("p", { class: "trouble", role: "alert" }, error && reason(error));
  const form = new Form([
    { name: "name", label: t("login.name"), required: true, value: isLoopback() ? "guest" : "" },
    {
      name: "password",
      label: t("login.password"),
      kind: "password",
      autocomplete: "current-password",
      required: true,
    },
  ]);
  const button = h("button", { class: "primary wide", type: "submit" }, t("login.submit"));
  const send = async (event) => {
    event.preventDefault();
    const values = form.read();
    if (!values) return;
    fill(trouble);
    button.disabled = true;
    api.login(values.name, values.password);
    try {
      await api.get("/api/whoami");
      await enter();
    } catch (failure) {
      api.logout();
      fill(trouble, reason(failure));
    } finally {
      button.disabled = false;
    }
  };
  const main = h(
    "main",
    { class: "login", id: "main" },
    h(
      "div",
      { class: "login-card" },
      h("header", {}, logo(40), h("h1", {}, "Menura"), h("p", {}, t("login.intro"))),
      h("form", { novalidate: true, on: { submit: send } }, form.element, trouble, button),
      h("p", { class: "hint" }, isLoopback() ? t("login.guest") : t("login.remote")),
    ),
    h(
      "div",
      { class: "login-foot" },
      languageChoice(() => fill(document.body, loginPage(enter))),
      themeButton(),
    ),
  );
  queueMicrotask(() => (isLoopback() ? main.querySelector("[type=password]") : form).focus());
  return main;
}

function isLoopback() {
  return ["localhost", "[::1]"].includes(location.hostname) || location.hostname.startsWith("127.");
}

function reason(error) {
  if (error.status === 0) return t("error.unreachable");
  if (error.status === 401 && /localhost/.test(error.message)) return t("login.guestRemote");
  if (error.status === 401 && /management user/i.test(error.message)) return t("login.noTag");
  return error.status === 401 ? t("login.refused") : error.message;
}
