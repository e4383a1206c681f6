"""A web page in Chromium: node/page.html talks MQTT and STOMP in WebSockets and reports to the server it came from."""

from __future__ import annotations

import functools
import http.server
import json
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.clients.needs import needs
from tests.clients.node_packages import INSTALL_SECONDS_MAX, node_modules
from tests.clients.program import HERE, Program

import menura

# The first test installs the packages.
pytestmark = pytest.mark.timeout(INSTALL_SECONDS_MAX + 60)
PAGE = HERE / "node" / "page.html"
REPORT_SECONDS_MAX = 50
CHROMIUM_OPTIONS = (
    "--headless",
    "--no-sandbox",  # it will not run as root otherwise
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
    "--no-proxy-server",
    "--password-store=basic",
)


class Site(http.server.SimpleHTTPRequestHandler):
    """The page, beside the folder of the packages; a report goes into the queue."""

    reports: queue.SimpleQueue[Any]

    def translate_path(self, path: str) -> str:
        found = super().translate_path(path)
        return str(PAGE) if Path(found) == Path(self.directory) / PAGE.name else found

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.reports.put(json.loads(body))

    def log_message(self, format: str, *words: object) -> None:
        pass


@pytest.fixture
def reports() -> queue.SimpleQueue[Any]:
    return queue.SimpleQueue()


@pytest.fixture
def site(reports: queue.SimpleQueue[Any]) -> Iterator[str]:
    """The address of the page's server."""
    handler = type("ThisSite", (Site,), {"reports": reports})
    found = functools.partial(handler, directory=str(node_modules()))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), found) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def broker() -> Iterator[menura.Broker]:
    with menura.Broker(listen=["mqtt+ws://127.0.0.1:0", "stomp+ws://127.0.0.1:0"]) as broker:
        yield broker


def test_a_page_publishes_over_mqtt_and_receives_over_stomp_and_back(
    broker: menura.Broker, site: str, reports: queue.SimpleQueue[Any], name: str, tmp_path: Path
) -> None:
    addresses = {"mqttUrl": broker.url("mqtt+ws"), "stompUrl": broker.url("stomp+ws"), "name": name}
    url = f"{site}/{PAGE.name}?{urlencode(addresses)}"
    profile = f"--user-data-dir={tmp_path}"
    # The debugging port keeps it running after the page has been loaded.
    options = (*CHROMIUM_OPTIONS, profile, "--remote-debugging-port=0")
    with Program(needs("chromium"), *options, url, env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}) as chromium:
        try:
            report = reports.get(timeout=REPORT_SECONDS_MAX)
        except queue.Empty:
            chromium.kill()
            pytest.fail(f"no report; chromium said {chromium.finish(-9)}")
    assert report == {
        "subprotocol": "v12.stomp",
        "text": ["äöü 😀", "text/plain", True],
        "second": "second",
        "binary": True,
        "back": [True, "and back"],
    }
