"""A newcomer's walk: somebody who has never seen the pages finds out why a queue grows, and mends it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pika
import pytest
from tests.management.pages.conftest import WAIT_MS, Tab, finish
from tests.management.pages.shop import Shop

import menura

pytestmark = pytest.mark.timeout(240)
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=WAIT_MS)


def test_a_newcomer_sees_traffic_finds_why_a_queue_grows_looks_inside_moves_and_mends(
    broker: menura.Broker, tab: Callable[..., Tab]
) -> None:
    shown = tab(login=False)
    page = shown.page
    shown.allow("401")
    page.goto(shown.address)
    page.get_by_label("User name").fill("guest")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("The user name or the password is wrong.").wait_for()
    page.get_by_label("Password").fill("guest")
    page.keyboard.press("Enter")
    shown.arrive("")

    with Shop(broker.amqp_url) as shop:
        with shop.publishing("order.eu.new"):
            # Traffic shows by itself.
            expect(page.locator(".tile.blue dd")).to_have_text(re.compile("[1-9]"))
            page.get_by_role("row", name="orders.eu").get_by_text("no consumers").wait_for()
            # Why does it grow?
            page.get_by_role("link", name="orders.eu").click()
            page.get_by_text(re.compile(r"messages wait and nobody consumes them")).wait_for()
            page.get_by_text(re.compile(r"/s come in and none leaves")).wait_for()
        # What is in it? Nothing is taken by looking.
        before = broker.peek("orders.eu", count=10_000)
        page.get_by_role("button", name="Look inside").click()
        page.get_by_role("button", name="Open message 0", exact=True).click()
        page.locator("pre").get_by_text('"order": 1').wait_for()
        page.get_by_label("Body contains").fill('"sku": "A-3"')
        page.get_by_role("button", name="Look", exact=True).click()
        page.get_by_role("button", name="Open message 2", exact=True).wait_for()
        expect(page.get_by_role("button", name="Open message 0", exact=True)).to_have_count(0)
        assert len(broker.peek("orders.eu", count=10_000).messages) == len(before.messages)

        # The wrong ones go elsewhere.
        page.get_by_role("button", name="Move", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Queue").fill("orders.us")
        finish(dialog, "Move")
        page.get_by_text("No message matches").wait_for()
        moved = broker.peek("orders.us", count=10_000).messages
        assert moved
        assert all(b'"sku": "A-3"' in message.body for message in moved)

        # A worker mends it: the page says so without being asked.
        page.get_by_role("tab", name="State").click()
        with shop.consuming("orders.eu"):
            page.get_by_text("nobody consumes them").wait_for(state="detached")
            expect(page.locator(".tile.amber dd")).to_have_text("0")
            page.get_by_role("row", name="ctag").get_by_text("active").wait_for()


def test_a_queue_is_declared_bound_published_to_emptied_and_deleted_by_hand(
    broker: menura.Broker, tab: Callable[..., Tab]
) -> None:
    shown = tab()
    page = shown.go("queues")
    page.keyboard.press("n")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name", exact=True).first.fill("by-hand")
    dialog.get_by_placeholder("Name").fill("x-max-length")
    dialog.get_by_placeholder("Value").fill("10")
    finish(dialog, "Declare")
    page.get_by_role("link", name="by-hand").click()
    shown.arrive("queues/%2F/by-hand")

    page.get_by_role("button", name="Publish", exact=True).click()
    dialog.get_by_label("Body").fill("hello")
    finish(dialog, "Publish")
    shown.heard("Published, and routed to a queue.")
    expect(page.locator(".tile.amber dd")).to_have_text("1")

    page.get_by_role("tab", name="Bindings").click()
    page.get_by_role("button", name="New binding").click()
    dialog.get_by_label("From exchange").fill("amq.topic")
    dialog.get_by_label("Routing key").fill("by.#")
    finish(dialog, "Bind")
    page.get_by_role("link", name="amq.topic").wait_for()

    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Drop all messages").click()
    dialog.get_by_label("Type by-hand to go on").fill("by-foot")
    dialog.get_by_role("button", name="Drop all").click()
    dialog.get_by_text("That is not the name.").wait_for()
    dialog.get_by_label("Type by-hand to go on").fill("by-hand")
    finish(dialog, "Drop all")
    assert broker.peek("by-hand").messages == []

    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Delete the queue").click()
    dialog.get_by_label("Type by-hand to go on").fill("by-hand")
    # The page may ask for the queue once more before it is left.
    shown.allow("404")
    finish(dialog, "Delete")
    shown.arrive("queues")
    page.get_by_role("link", name="by-hand").wait_for(state="detached")


def test_a_connection_is_closed_with_a_reason(broker: menura.Broker, tab: Callable[..., Tab]) -> None:
    shop = Shop(broker.amqp_url, "unlucky")
    shown = tab()
    shown.allow("404")
    page = shown.go("connections")
    page.get_by_role("link", name="unlucky", exact=True).click()
    page.get_by_role("button", name="Close it").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("maintenance")
    finish(dialog, "Close it")
    shown.arrive("connections")
    with pytest.raises(pika.exceptions.AMQPConnectionError, match="maintenance"):
        shop.channel.queue_declare("orders.eu", passive=True)
