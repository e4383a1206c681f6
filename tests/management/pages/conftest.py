"""A headless Chromium, and a broker whose pages it opens; both stay for all tests of a file.

`tab` opens the pages as somebody who has logged in, in the language, the colours and the size that a test asks for.
Whatever the browser complains of in the meantime (`Tab.complaints`) fails the test in the end, unless it was allowed.

A tab lives in other processes, so a test waits for all that it asserts (`expect`, `wait_for`), and for something that
the step before has brought about: what the page showed already says nothing. Done is a dialog when it has closed
(`finish`): by its live updates, a page may show what somebody saves before the dialog has had its answer.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.clients.needs import needs

import menura

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server", "--disable-quic")
WAIT_MS = 30_000
LOGIN = f"sessionStorage.setItem('menura.login', '{base64.b64encode(b'guest:guest').decode()}')"
# Short messages go after some seconds, so what was said is noted beside the page.
NOTE_WHAT_IS_SAID = """new MutationObserver((changes) => {
  const { dataset } = document.documentElement;
  for (const { target, addedNodes } of changes)
    if (target.ariaLive === "polite")
      for (const node of addedNodes) dataset.said = `${dataset.said ?? ""}${node.textContent}\\n`;
}).observe(document, { childList: true, subtree: true })"""
# Whatever is shown is of the page that was left, until the new one says where it is.
MOVE = """hash => {
  if (location.hash === hash) return;
  delete document.getElementById("main").dataset.at;
  location.hash = hash;
}"""


class Tab:
    """A tab of the browser that shows the pages at `address`."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        self._allowed: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda said: self._note(said.type, said.text))
        page.on("pageerror", lambda error: self._note("error", f"{error}\n{error.stack}"))
        page.on("dialog", lambda dialog: self._note("error", f"dialog: {dialog.message}"))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(allowed in text for allowed in self._allowed):
            self.complaints.append(f"{kind}: {text}")

    def allow(self, text: str) -> None:
        """From now on, complaints may have this in them. A browser notes every answer of 4xx."""
        self._allowed.append(text)

    def go(self, place: str = "", *, fresh: bool = False) -> Page:
        """Open the page behind the "#", and wait until it shows what it is about."""
        if fresh or not self.page.url.startswith(self.address):
            self.page.goto(f"{self.address}/#/{place}")
        else:
            self.page.evaluate(MOVE, f"#/{place}")
        return self.arrive(place)

    def arrive(self, place: str) -> Page:
        """Wait for a page to which something else has led."""
        self.page.locator(f"main[data-at='#/{place}'] > .page:not([aria-busy]) h1").first.wait_for()
        return self.page

    def heard(self, text: str) -> None:
        """Wait until this was said in a short message, which may have gone again."""
        expect = pytest.importorskip("playwright.sync_api").expect
        expect(self.page.locator("html")).to_have_attribute("data-said", re.compile(re.escape(text)), timeout=WAIT_MS)


def finish(dialog: Locator, button: str) -> None:
    """Press what ends a dialog, and wait until it has: the broker has done what was asked."""
    dialog.get_by_role("button", name=button, exact=True).click()
    dialog.wait_for(state="detached")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each module: Playwright holds on to the thread's event loop, which the tests of others want too."""
    api = pytest.importorskip("playwright.sync_api")
    chromium = needs("chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def broker() -> Iterator[menura.Broker]:
    schemes = ("amqp", "http", "mqtt", "stomp")
    with menura.Broker(listen=[f"{scheme}://127.0.0.1:0" for scheme in schemes]) as broker:
        yield broker


@pytest.fixture(scope="module")
def address(broker: menura.Broker) -> str:
    """Of the pages."""
    return f"http://127.0.0.1:{http_port(broker)}"


def http_port(broker: menura.Broker) -> int:
    return next(listener.port for listener in broker.listeners if listener.address.scheme == "http")


@pytest.fixture
def tab(browser: Browser, address: str) -> Iterator[Callable[..., Tab]]:
    """Opens a tab; `login=False` for one of somebody whom the broker does not know yet."""
    opened: list[tuple[Tab, Any]] = []

    def open_one(language: str = "en", colours: Any = "light", width: int = 1280, *, login: bool = True) -> Tab:
        context = browser.new_context(
            locale={"en": "en-US", "zh": "zh-CN"}[language],
            color_scheme=colours,
            viewport={"width": width, "height": 800},
            reduced_motion="reduce",
        )
        context.add_init_script(NOTE_WHAT_IS_SAID)
        if login:
            context.add_init_script(LOGIN)
        tab = Tab(context.new_page(), address)
        opened.append((tab, context))
        return tab

    yield open_one
    for _, context in opened:
        context.close()
    assert [tab.complaints for tab, _ in opened if tab.complaints] == []
