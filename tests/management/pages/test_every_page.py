"""Every page opens, in both languages, light and dark, on a desk and on a phone, without a word of complaint."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.management.pages.conftest import WAIT_MS, Tab
from tests.management.pages.shop import Shop

import menura

pytestmark = pytest.mark.timeout(180)
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=WAIT_MS)
LISTS = (
    "", "topology", "connections", "channels", "sessions", "sessions?kind=subscriptions", "exchanges", "queues",
    "policies", "policies?kind=operator", "users", "vhosts", "shovels", "parameters", "definitions",
)  # fmt: skip
ONES = (
    "queues/%2F/orders.eu", "queues/%2F/orders.eu?tab=messages", "queues/%2F/orders.eu?tab=bindings",
    "queues/%2F/orders.eu?tab=settings", "exchanges/%2F/orders", "exchanges/%2F/amq.default",
    "users/guest", "vhosts/%2F",
)  # fmt: skip
PLACES = (*LISTS, *ONES)


@pytest.fixture(scope="module", autouse=True)
def shop(broker: menura.Broker) -> Iterator[Shop]:
    with Shop(broker.amqp_url) as shop:
        for number in range(30):
            shop.publish(
                "order.eu.new", b'{"order": %d}' % number, content_type="application/json", headers={"n": number}
            )
        yield shop


@pytest.mark.parametrize(
    ("language", "colours", "width"),
    [("en", "light", 1280), ("zh", "dark", 1280), ("zh", "light", 360), ("en", "dark", 360)],
)
def test_every_page_opens_without_complaint_and_no_wider_than_the_screen(
    tab: Callable[..., Tab], language: str, colours: str, width: int
) -> None:
    shown = tab(language, colours, width)
    for place in PLACES:
        page = shown.go(place)
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, place
        assert shown.complaints == [], place


def test_pages_of_a_connection_and_a_channel_are_found_from_their_lists(tab: Callable[..., Tab]) -> None:
    page = tab().go("connections")
    page.get_by_role("link", name="shop", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("shop")
    page.get_by_role("link", name="(1)").click()
    page.get_by_text("About the channel").wait_for()


def test_what_is_not_there_is_said_to_be_missing(tab: Callable[..., Tab]) -> None:
    shown = tab()
    shown.allow("404")
    page = shown.go("queues/%2F/nothing")
    page.get_by_text("does not exist, or no longer").wait_for()
    page = shown.go("no/such/page")
    page.get_by_text("does not exist, or no longer").wait_for()


def test_languages_change_on_the_page_and_are_kept(tab: Callable[..., Tab]) -> None:
    page = tab().go("queues")
    page.get_by_role("button", name="中文").click()
    page.get_by_role("heading", name="队列").wait_for()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.reload()
    page.get_by_role("heading", name="队列").wait_for()


def test_colours_follow_the_system_until_somebody_chooses(tab: Callable[..., Tab]) -> None:
    page = tab(colours="dark").go()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Colours").click()
    page.get_by_role("button", name="Colours: light").wait_for()
    expect(page.locator("body")).not_to_have_css("background-color", dark)
