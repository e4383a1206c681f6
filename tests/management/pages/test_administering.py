"""What administrators do through the pages, and what others are shown instead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.management.http_client import Client
from tests.management.pages.conftest import WAIT_MS, Tab, finish, http_port
from tests.management.pages.shop import Shop

import menura

pytestmark = pytest.mark.timeout(180)
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=WAIT_MS)


@pytest.fixture
def api(broker: menura.Broker) -> Client:
    return Client(http_port(broker))


def test_a_policy_is_made_changed_and_deleted(api: Client, tab: Callable[..., Tab]) -> None:
    shown = tab()
    page = shown.go("policies")
    page.keyboard.press("n")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name", exact=True).first.fill("short")
    dialog.get_by_label("Pattern").fill("^short")
    dialog.get_by_placeholder("Name").fill("max-length")
    dialog.get_by_placeholder("Value").fill("7")
    finish(dialog, "Save")
    row = page.get_by_role("row", name="short")
    expect(row).to_contain_text("max-length7")
    row.get_by_role("button", name="Edit").click()
    shown.allow("400")
    dialog.get_by_placeholder("Value").first.fill("seven")
    dialog.get_by_role("button", name="Save").click()
    # The broker's words are shown, and what was written is still there.
    expect(dialog.get_by_role("alert")).to_contain_text(re.compile("seven|invalid|Validation"))
    dialog.get_by_placeholder("Value").first.fill("8")
    finish(dialog, "Save")
    expect(row).to_contain_text("max-length8")
    assert api.get("/policies/%2F/short").json["definition"] == {"max-length": 8}
    row.get_by_role("button", name="Delete").click()
    finish(dialog, "Delete")
    expect(row).to_have_count(0)


def test_a_virtual_host_and_a_user_are_made_and_let_in(api: Client, tab: Callable[..., Tab]) -> None:
    shown = tab()
    page = shown.go("vhosts")
    page.keyboard.press("n")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("shop")
    dialog.get_by_label("Description").fill("orders and mail")
    finish(dialog, "Save")
    page.get_by_role("link", name="shop").wait_for()
    page = shown.go("users")
    page.keyboard.press("n")
    dialog.get_by_label("Name").fill("clerk")
    dialog.get_by_label("Password").fill("secret")
    dialog.get_by_label("management").check()
    finish(dialog, "Save")
    page.get_by_role("link", name="clerk").click()
    shown.arrive("users/clerk")
    page.get_by_role("button", name="Set permissions").click()
    dialog.get_by_label("Virtual host").select_option("shop")
    dialog.get_by_label("Configure").fill("")
    finish(dialog, "Save")
    page.get_by_role("row", name="shop").wait_for()
    assert api.get("/permissions/shop/clerk").json["configure"] == ""
    assert api.as_user("clerk", "secret").get("/whoami").json["tags"] == ["management"]


def test_somebody_with_few_rights_sees_few_pages_and_no_errors(
    api: Client, tab: Callable[..., Tab], address: str
) -> None:
    api.put("/users/visitor", {"password": "visitor", "tags": "management"})
    api.put("/permissions/%2F/visitor", {"configure": "", "write": "", "read": ".*"})
    shown = tab(login=False)
    page = shown.page
    page.goto(address)
    page.get_by_label("User name").fill("visitor")
    page.get_by_label("Password").fill("visitor")
    page.keyboard.press("Enter")
    shown.arrive("")
    expect(page.locator(".tile dd").first).to_have_text("0/s")
    menu = page.get_by_role("navigation", name="Pages")
    expect(menu.get_by_role("link", name="Queues")).to_have_count(1)
    expect(menu.get_by_role("link", name="Users")).to_have_count(0)
    expect(menu.get_by_role("link", name="Definitions")).to_have_count(0)
    for place in (
        "queues",
        "exchanges",
        "connections",
        "channels",
        "sessions",
        "topology",
        "policies",
        "vhosts",
    ):
        shown.go(place)
        assert shown.complaints == [], place
    shown.allow("401")
    shown.go("users")
    page.get_by_text("You may not do that").wait_for()


def test_a_shovel_is_made_seen_running_and_deleted(broker: menura.Broker, tab: Callable[..., Tab]) -> None:
    with Shop(broker.amqp_url) as shop:
        shop.publish("order.eu.new", b"{}")
    page = tab().go("shovels")
    page.keyboard.press("n")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name", exact=True).fill("carry")
    dialog.get_by_role("textbox", name="Queue").first.fill("orders.eu")
    dialog.get_by_role("textbox", name="Queue").last.fill("carried")
    finish(dialog, "Save")
    row = page.get_by_role("row", name="carry")
    expect(row).to_contain_text("running")
    expect(row).to_contain_text("orders.eu")
    row.get_by_role("button", name="Delete").click()
    finish(dialog, "Delete")
    expect(row).to_have_count(0)


def test_definitions_go_to_a_file_and_come_from_one(api: Client, tab: Callable[..., Tab], tmp_path: Path) -> None:
    api.put("/queues/%2F/kept-in-a-file")
    shown = tab()
    page = shown.go("definitions")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save to a file").click()
    file = tmp_path / "definitions.json"
    download.value.save_as(file)
    saved = json.loads(file.read_text(encoding="utf-8"))
    assert "kept-in-a-file" in [queue["name"] for queue in saved["queues"]]
    api.ask("DELETE", "/queues/%2F/kept-in-a-file")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Load from a file").click()
    finish(page.get_by_role("dialog"), "Load from a file")
    shown.heard("The definitions were loaded.")
    assert api.get("/queues/%2F/kept-in-a-file").status == 200


def test_why_a_publisher_is_blocked_is_said_on_the_overview_and_at_its_connection(
    broker: menura.Broker, tab: Callable[..., Tab]
) -> None:
    shown = tab()
    page = shown.go("")
    with Shop(broker.amqp_url, "blocked-shop") as shop:
        allowed = broker.node.memory.watermark_bytes
        broker.set_memory_watermark(1)
        try:
            shop.publish("order.eu.new", bytes(2000))
            shop.publish("order.eu.new", bytes(2000))
            page.get_by_text("Publishers are blocked: memory is short").wait_for()
            page = shown.go("connections")
            row = page.get_by_role("row", name="blocked-shop")
            expect(row.get_by_text("blocked", exact=True)).to_be_visible()
            row.get_by_role("link", name="blocked-shop", exact=True).click()
            page.get_by_text("This client may not publish at the moment").wait_for()
            page.get_by_text("as many messages in memory as it may").wait_for()
        finally:
            broker.set_memory_watermark(allowed)
        page.get_by_text("This client may not publish at the moment").wait_for(state="detached")


def test_a_page_says_when_the_broker_is_gone(tab: Callable[..., Tab]) -> None:
    shown = tab()
    # The browser notes each attempt.
    shown.allow("ERR_")
    with menura.Broker(listen=["http://127.0.0.1:0"]) as short_lived:
        shown.address = f"http://127.0.0.1:{http_port(short_lived)}"
        page = shown.go("queues")
        page.locator(".live[data-state=live]").wait_for()
    page.get_by_text("No connection, trying again").wait_for()
