"""Names, keys, headers and bodies are shown as they are, whatever they would do in a careless page."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from tests.management.http_client import Client
from tests.management.pages.conftest import WAIT_MS, Tab, finish, http_port
from tests.management.pages.shop import EVIL, evil_names

import menura

pytestmark = pytest.mark.timeout(120)
expect = pytest.importorskip("playwright.sync_api").expect
expect.set_options(timeout=WAIT_MS)
NAME = quote(EVIL, safe="")


@pytest.fixture(scope="module", autouse=True)
def evil(broker: menura.Broker) -> None:
    evil_names(broker)
    api = Client(http_port(broker))
    api.put(f"/users/{NAME}", {"password": EVIL, "tags": EVIL})
    api.put(f"/vhosts/{NAME}", {"description": EVIL, "tags": EVIL})
    api.put(f"/policies/%2F/{NAME}", {"pattern": "^<img", "definition": {"max-length": 100}, "apply-to": "all"})
    api.put(f"/global-parameters/{NAME}", {"name": EVIL, "value": {EVIL: EVIL}})


@pytest.mark.parametrize(
    "place",
    [
        "", "queues", "exchanges", "users", "vhosts", "policies", "parameters?kind=global", "topology?vhost=%2F",
        f"queues/%2F/{NAME}", f"queues/%2F/{NAME}?tab=bindings", f"queues/%2F/{NAME}?tab=settings",
        f"exchanges/%2F/{NAME}", f"users/{NAME}", f"vhosts/{NAME}", f"queues?name={NAME}",
    ],
)  # fmt: skip
def test_a_name_is_text(tab: Callable[..., Tab], place: str) -> None:
    page = tab().go(place)
    main = page.locator("main")
    if "topology" in place:
        # A picture cuts names that are long.
        main.locator("svg text").get_by_text(EVIL[:12]).first.wait_for()
    else:
        expect(main).to_contain_text(EVIL, use_inner_text=True)
    assert page.locator("img").count() == 0


def test_a_message_is_text(tab: Callable[..., Tab]) -> None:
    page = tab().go(f"queues/%2F/{NAME}?tab=messages")
    page.get_by_role("button", name="Open message 0").click()
    expect(page.locator("pre")).to_have_text(EVIL)
    expect(page.locator(".message-body dt").filter(has_text="onerror")).to_have_text(EVIL)
    assert page.locator("img").count() == 0


def test_a_dialog_and_what_it_says_are_text(broker: menura.Broker, tab: Callable[..., Tab]) -> None:
    name = f"{EVIL} to be emptied"
    address = quote(name, safe="")
    Client(http_port(broker)).put(f"/queues/%2F/{address}")
    shown = tab()
    page = shown.go(f"queues/%2F/{address}")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Drop all messages").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Type <img").fill(name)
    finish(dialog, "Drop all")
    shown.heard(f"{name} is empty.")
    assert page.locator("img").count() == 0
