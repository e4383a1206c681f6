"""A headless Chromium, and a broker whose pages it opens; both stay for all tests of a file.

`tab` opens the pages as somebody who has logged in, in the language, the colours and the size that a test asks for.
Whatever the browser complains of in the meantime (`Tab.complaints`) fails the test in the end, unless it took note.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.clients.needs import needs

import menura

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server", "--disable-quic")
WAIT_MS = 20_000
LOGIN = f"sessionStorage.setItem('menura.login', '{base64.b64encode(b'guest:guest').decode()}')"


class Tab:
    """A tab of the browser that shows the pages at `address`."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda said: self._note(said.type, said.text))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    def go(self, place: str = "", *, fresh: bool = False) -> Page:
        """Open the page behind the "#", and wait until its head is there."""
        if fresh or not self.page.url.startswith(self.address):
            self.page.goto(f"{self.address}/#/{place}")
        else:
            self.page.evaluate("hash => { location.hash = hash; }", f"#/{place}")
        self.page.locator(f"main[data-at='#/{place}'] h1").first.wait_for()
        return self.page


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
        if login:
            context.add_init_script(LOGIN)
        tab = Tab(context.new_page(), address)
        opened.append((tab, context))
        return tab

    yield open_one
    for _, context in opened:
        context.close()
    assert [tab.complaints for tab, _ in opened if tab.complaints] == []
