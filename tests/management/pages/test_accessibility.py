"""The pages for those who see little or use no mouse: axe-core finds nothing, and the keyboard leads anywhere.

axe-core looks at labels, roles, landmarks, headings and contrasts as they are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.clients.node_packages import INSTALL_SECONDS_MAX, node_modules
from tests.management.pages.conftest import WAIT_MS, Tab, finish
from tests.management.pages.shop import Shop
from tests.management.pages.test_every_page import PLACES

import menura

if TYPE_CHECKING:
    from playwright.sync_api import Page

# The first test installs the packages.
pytestmark = pytest.mark.timeout(INSTALL_SECONDS_MAX + 120)
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=WAIT_MS)
RUN = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"], preload: false });
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => [id, node.target.join(" "), node.failureSummary]));
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    return (node_modules() / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def shop(broker: menura.Broker) -> Iterator[Shop]:
    with Shop(broker.amqp_url) as shop:
        for number in range(5):
            shop.publish("order.eu.new", b'{"order": %d, "ok": true}' % number, headers={"n": number})
        yield shop


def violations(page: Page, axe: str) -> list[Any]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)
    return page.evaluate(RUN)


@pytest.mark.parametrize(("colours", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing_on_any_page(tab: Callable[..., Tab], axe: str, colours: str, width: int) -> None:
    shown = tab("en", colours, width)
    for place in PLACES:
        page = shown.go(place)
        assert violations(page, axe) == [], place


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing_in_what_opens_on_a_page(tab: Callable[..., Tab], axe: str, colours: str) -> None:
    shown = tab("en", colours)
    page = shown.go("queues")
    for key, title in (("?", "Keys"), ("n", "New queue")):
        page.keyboard.press(key)
        dialog = page.get_by_role("dialog", name=title)
        dialog.wait_for()
        assert violations(page, axe) == []
        dialog.get_by_role("button", name="Close").click()
        dialog.wait_for(state="detached")
    page = shown.go("queues/%2F/orders.eu?tab=messages")
    page.get_by_role("button", name="Open message 0").click()
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Drop all messages").wait_for()
    assert violations(page, axe) == []


def test_axe_finds_nothing_on_the_login(tab: Callable[..., Tab], axe: str) -> None:
    shown = tab(login=False)
    shown.page.goto(shown.address)
    shown.page.get_by_role("button", name="Log in").wait_for()
    assert violations(shown.page, axe) == []


def test_the_first_step_of_the_keyboard_leads_past_the_menu(tab: Callable[..., Tab]) -> None:
    page = tab().go("queues", fresh=True)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_letters_lead_to_pages_and_filter_and_keys(tab: Callable[..., Tab]) -> None:
    shown = tab()
    page = shown.go("")
    for letter, heading in (
        ("e", "Exchanges"),
        ("c", "Connections"),
        ("t", "Topology"),
        ("o", "Overview"),
        ("q", "Queues"),
    ):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    shown.arrive("queues")
    page.keyboard.press("/")
    expect(page.get_by_label("Filter by name")).to_be_focused()
    page.keyboard.type("gq")
    expect(page.get_by_label("Filter by name")).to_have_value("gq")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Filter by name")).not_to_be_focused()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()


def test_another_key_or_a_click_takes_back_the_first_of_two(tab: Callable[..., Tab]) -> None:
    page = tab().go("queues")
    page.keyboard.press("g")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    page.keyboard.press("g")
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("e")
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", level=1)).to_have_text("Connections")
    page.go_back()
    # Had one of the others led away, that would be the page before.
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")


def test_rows_are_reached_with_j_and_k_and_opened_with_enter(tab: Callable[..., Tab]) -> None:
    page = tab().go("queues")
    for key, name in (("j", "orders.dead"), ("j", "orders.eu"), ("k", "orders.dead")):
        page.keyboard.press(key)
        expect(page.get_by_role("link", name=name)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("orders.dead")
    # Whoever came by keyboard goes on from the head of the page.
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_a_dialog_keeps_the_focus_and_gives_it_back(tab: Callable[..., Tab]) -> None:
    page = tab().go("queues")
    opener = page.get_by_role("button", name="New queue")
    opener.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    inside = (
        "document.activeElement === document.body || document.querySelector('dialog').contains(document.activeElement)"
    )
    for _ in range(20):
        page.keyboard.press("Tab")
        assert page.evaluate(inside)
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    expect(opener).to_be_focused()


def test_the_focus_can_be_seen(tab: Callable[..., Tab]) -> None:
    page = tab().go("queues")
    # The box of "Regular expression" is transparent; the sign beside it shows the focus instead.
    shown = """() => [document.activeElement, document.activeElement.nextElementSibling].some(
      (element) => element && (element === document.body || getComputedStyle(element).outlineStyle !== "none"))"""
    for _ in range(40):
        page.keyboard.press("Tab")
        assert page.evaluate(shown), page.evaluate("document.activeElement.outerHTML")


def test_what_changes_is_said_to_those_who_listen(tab: Callable[..., Tab]) -> None:
    shown = tab()
    page = shown.go("queues")
    page.keyboard.press("n")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Declare").click()
    name = dialog.get_by_role("textbox", name="Name", exact=True).first
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_accessible_description("This is needed.")
    name.fill("said")
    finish(dialog, "Declare")
    shown.heard("Queue said was declared.")


def test_anything_is_found_by_a_part_of_its_name(tab: Callable[..., Tab], axe: str) -> None:
    page = tab().go("")
    page.keyboard.press("Control+k")
    page.get_by_role("dialog", name="Find anything").wait_for()
    page.keyboard.type("rs.de")
    expect(page.get_by_role("option")).to_have_count(1)
    expect(page.get_by_role("option")).to_contain_text("orders.dead")
    assert violations(page, axe) == []
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("orders.dead")
