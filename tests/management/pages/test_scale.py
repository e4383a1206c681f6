"""Ten thousand queues, a topology of hundreds, and how soon the overview can be used."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from tests.management.http_client import Client
from tests.management.pages.conftest import WAIT_MS, Tab, http_port

import menura

expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=WAIT_MS)
QUEUES = 10_000
TOPOLOGY_QUEUES = 300
USABLE_SECONDS_MAX = 1.0
ATTEMPTS = 15


@pytest.fixture(scope="module")
def many(broker: menura.Broker) -> menura.Broker:
    names = [f"bulk-{number:05d}" for number in range(QUEUES)]
    queues = [{"name": name, "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}} for name in names]
    answer = Client(http_port(broker)).post("/definitions", {"queues": queues})
    assert answer.status in (200, 201, 204), answer
    return broker


@pytest.mark.usefixtures("many")
def test_ten_thousand_queues_are_paged_filtered_and_sorted_by_the_broker(tab: Callable[..., Tab]) -> None:
    page = tab().go("queues")
    expect(page.locator(".total")).to_have_text("10,000 in all")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Next").click()
    page.get_by_role("link", name="bulk-00050").wait_for()
    page.get_by_role("button", name="Name").click()
    page.get_by_role("link", name="bulk-09999").wait_for()
    # "/" leads to the filter.
    page.keyboard.press("/")
    page.keyboard.type("0123")
    expect(page.locator(".total")).to_have_text("11 of 10,000")
    page.get_by_label("Regular expression").check()
    page.get_by_label("Filter by name").fill("77$")
    expect(page.locator(".total")).to_have_text("100 of 10,000")
    page.reload()
    expect(page.locator(".total")).to_have_text("100 of 10,000")


def test_a_topology_that_is_too_large_to_read_says_so_and_can_be_filtered(
    broker: menura.Broker, tab: Callable[..., Tab]
) -> None:
    names = [f"leaf-{number:03d}" for number in range(TOPOLOGY_QUEUES)]
    common = {"vhost": "wide", "durable": True, "auto_delete": False, "arguments": {}}
    tree = {
        "vhosts": [{"name": "wide"}],
        "permissions": [{"user": "guest", "vhost": "wide", "configure": ".*", "write": ".*", "read": ".*"}],
        "exchanges": [{**common, "name": "trunk", "type": "topic", "internal": False}],
        "queues": [{**common, "name": name} for name in names],
        "bindings": [
            {"source": "trunk", "vhost": "wide", "destination": name, "destination_type": "queue", "routing_key": name,
             "arguments": {}} for name in names
        ],
    }  # fmt: skip
    assert Client(http_port(broker)).post("/definitions", tree).status in (200, 201, 204)
    page = tab().go("topology?vhost=wide")
    expect(page.locator(".total")).to_contain_text("nodes: filter to see others")
    shown = page.locator(".map .node").count()
    assert 50 < shown <= 200
    page.get_by_label("Filter by name").fill("leaf-29")
    expect(page.locator(".map .node")).to_have_count(11)
    expect(page.locator(".map .edge")).to_have_count(10)


@pytest.mark.usefixtures("many")
def test_the_overview_can_be_used_within_a_second(address: str, tab: Callable[..., Tab]) -> None:
    """The best of several, as others use the machine as well; each in a browser that knows nothing yet."""
    taken: list[float] = []
    for _ in range(ATTEMPTS):
        page = tab().page
        begin = time.perf_counter()
        page.goto(address)
        expect(page.locator(".tile dd").first).to_have_text(re.compile("[0-9]"))
        page.locator(".chart .axis text").first.wait_for()
        taken.append(time.perf_counter() - begin)
        if taken[-1] <= USABLE_SECONDS_MAX:
            break
    assert min(taken) <= USABLE_SECONDS_MAX, taken
