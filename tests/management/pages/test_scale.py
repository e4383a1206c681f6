"""Ten thousand queues, a topology of hundreds, and how soon the overview can be used."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from tests.management.http_client import Client
from tests.management.pages.conftest import WAIT_MS, Tab, http_port

import menura

# It takes a while to declare so many, and to sort them again and again on a machine that is busy.
pytestmark = pytest.mark.timeout(240)
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=WAIT_MS)
QUEUES = 10_000
TOPOLOGY_QUEUES = 300
USABLE_SECONDS_MAX = 1.0
# Of the processor, by the browser's page and the broker: some five times what it takes, for machines that are slow.
WORK_SECONDS_MAX = 2.0
ATTEMPTS = 5


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
    api = Client(http_port(broker))
    assert api.post("/definitions", tree).status in (200, 201, 204)
    page = tab().go("topology?vhost=wide")
    expect(page.locator(".total")).to_contain_text("nodes: filter to see others")
    assert 50 < page.locator(".map .node").count() <= 200
    page.get_by_label("Filter by name").fill("leaf-29")
    expect(page.locator(".map .node")).to_have_count(11)
    expect(page.locator(".map .edge")).to_have_count(10)
    # Others count all queues there are.
    assert api.ask("DELETE", "/vhosts/wide").status == 204


@pytest.mark.usefixtures("many")
def test_the_overview_can_be_used_within_a_second(address: str, tab: Callable[..., Tab]) -> None:
    """Each time in a browser that knows nothing yet. Where others keep the machine busy, a second passes without
    anything done, so what counts there is the work that it takes.
    """
    taken: list[tuple[float, float]] = []
    for _ in range(ATTEMPTS):
        page = tab().page
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        begin, own = time.perf_counter(), time.process_time()
        page.goto(address)
        expect(page.locator(".tile dd").first).to_have_text(re.compile("[0-9]"))
        page.locator(".chart .axis text").first.wait_for()
        seconds, own = time.perf_counter() - begin, time.process_time() - own
        metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        taken.append((seconds, own + metrics["ProcessTime"]))
        # What is left open keeps the broker busy.
        page.close()
        if seconds <= USABLE_SECONDS_MAX or taken[-1][1] <= WORK_SECONDS_MAX:
            return
    pytest.fail(f"(seconds, of the processor): {taken}")
