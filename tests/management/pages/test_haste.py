"""Somebody is faster than the network: what they press and click is meant for what they are about to see."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from tests.management.pages.conftest import WAIT_MS, Tab
from tests.management.pages.shop import Shop

import menura

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.timeout(180)
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=WAIT_MS)
QUEUES = re.compile(r"/js/pages/queues\.js$")
DATA = re.compile("/api/(queues|users|vhosts|menura/live)")


@pytest.fixture(scope="module", autouse=True)
def shop(broker: menura.Broker) -> Iterator[Shop]:
    with Shop(broker.amqp_url) as shop:
        yield shop


class Gate:
    """Holds back requests until it is opened."""

    def __init__(self, page: Page, pattern: re.Pattern[str]) -> None:
        self._held: list[Route] = []
        self._is_open = False
        page.route(pattern, self._come)

    def _come(self, route: Route) -> None:
        if self._is_open:
            route.continue_()
        else:
            self._held.append(route)

    def open(self) -> None:
        self._is_open = True
        for route in self._held:
            route.continue_()


def test_keys_pressed_while_a_page_is_being_opened_are_meant_for_it(tab: Callable[..., Tab]) -> None:
    page = tab().go("exchanges")
    gate = Gate(page, QUEUES)
    page.keyboard.type("gq/eu")
    # The page that is left has a filter as well.
    expect(page.get_by_role("heading", level=1)).to_have_text("Exchanges")
    expect(page.get_by_label("Filter by name")).not_to_be_focused()
    gate.open()
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")
    expect(page.get_by_label("Filter by name")).to_be_focused()
    expect(page.get_by_label("Filter by name")).to_have_value("eu")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="orders.eu").wait_for()


def test_keys_that_lead_on_are_followed_to_the_last_page(tab: Callable[..., Tab]) -> None:
    page = tab().go("exchanges")
    gate = Gate(page, QUEUES)
    page.keyboard.type("gqgvn")
    gate.open()
    page.get_by_role("dialog", name="New virtual host").wait_for()
    expect(page.get_by_role("heading", name="Virtual hosts")).to_have_count(1)


def test_a_choice_with_the_mouse_ends_the_wait(tab: Callable[..., Tab]) -> None:
    page = tab().go("exchanges")
    gate = Gate(page, QUEUES)
    page.keyboard.type("gq")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Topology").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Topology")
    page.keyboard.type("gv")
    expect(page.get_by_role("heading", level=1)).to_have_text("Virtual hosts")
    gate.open()
    page.keyboard.type("gq")
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")


def test_a_page_that_could_not_be_loaded_says_so(tab: Callable[..., Tab]) -> None:
    shown = tab()
    page = shown.go("exchanges")
    shown.allow("ERR_FAILED")
    shown.allow("queues.js")
    page.route(QUEUES, lambda route: route.abort())
    page.keyboard.type("gq")
    expect(page.get_by_role("heading", level=1)).to_have_text("That did not work")
    page.unroute(QUEUES)
    page.keyboard.type("ge")
    expect(page.get_by_role("heading", level=1)).to_have_text("Exchanges")
    page.keyboard.type("gq")
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")


def test_whoever_types_fast_need_not_wait_for_what_is_found(tab: Callable[..., Tab]) -> None:
    page = tab().go("")
    for text, heading in (("topol", "Topology"), ("rs.us", "orders.us")):
        page.keyboard.press("Control+k")
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_enter_that_ends_a_word_of_an_input_method_chooses_nothing(tab: Callable[..., Tab]) -> None:
    page = tab().go("exchanges")
    page.keyboard.press("Control+k")
    page.keyboard.type("topol")
    found = page.get_by_role("dialog")
    expect(found.get_by_role("option")).to_have_count(1)
    found.get_by_role("combobox").dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    expect(found).to_be_visible()
    expect(page.get_by_role("heading", name="Exchanges")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Topology")


def test_a_press_that_lasts_while_numbers_change_is_still_a_click(shop: Shop, tab: Callable[..., Tab]) -> None:
    page = tab().go("")
    shop.publish("order.eu.new", b"{}")
    row = page.get_by_role("row", name="orders.eu")
    expect(row.get_by_role("cell").nth(2)).to_have_text("1")
    row.get_by_role("link").hover()
    page.mouse.down()
    shop.publish("order.eu.new", b"{}")
    expect(row.get_by_role("cell").nth(2)).to_have_text("2")
    page.mouse.up()
    expect(page.get_by_role("heading", level=1)).to_have_text("orders.eu")


def test_a_queue_can_be_emptied_before_its_numbers_are_there(tab: Callable[..., Tab]) -> None:
    page = tab().go("queues")
    gate = Gate(page, DATA)
    page.get_by_role("link", name="orders.us").click()
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Drop all messages").click()
    page.get_by_role("dialog").get_by_label("Type orders.us to go on").wait_for()
    gate.open()


@pytest.mark.parametrize("place", ["users/guest", "vhosts/%2F"])
def test_what_is_not_known_yet_cannot_be_edited(tab: Callable[..., Tab], place: str) -> None:
    """With nothing in the form, saving would clear what there is."""
    shown = tab()
    page = shown.go("")
    gate = Gate(page, DATA)
    page.evaluate("hash => { location.hash = hash; }", f"#/{place}")
    edit = page.get_by_role("button", name="Edit", exact=True)
    expect(edit).to_be_disabled()
    gate.open()
    expect(edit).to_be_enabled()
