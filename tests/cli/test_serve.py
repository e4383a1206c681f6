"""`menura serve`, as a process."""

from __future__ import annotations

import re
import signal
import socket
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.cli.conftest import Start
from tests.net.peer import Peer
from tests.protocols.amqp.memory import Basic, Connection, Queue, method, publish

from menura import Broker

LOCAL = "amqp://127.0.0.1:0"


def test_the_first_screen_says_what_runs_where_and_ends_with_ready(start: Start) -> None:
    process = start("--listen", LOCAL, "--data", ":memory:")
    lines = process.screen()
    seconds = time.perf_counter() - process.started
    print(f"`menura serve` is ready {seconds * 1000:.0f} ms after it was typed")
    assert seconds < 20, "about a third of a second, on a machine that has nothing else to do"
    assert lines[0].startswith("Menura ")
    assert lines[-1] == "ready"
    text = "\n".join(lines)
    assert re.search(r"✓ amqp://127\.0\.0\.1:[1-9]\d*$", text, re.MULTILINE)
    assert "guest" in text
    assert "nothing survives a restart" in text
    assert "\x1b" not in text, "no colours where nobody looks"


def test_the_first_screen_says_what_clients_of_a_websocket_connect_to(start: Start) -> None:
    text = "\n".join(start("--listen", "mqtt+ws://127.0.0.1:0/a/place").screen())
    found = re.search(r"✓ mqtt\+ws://(127\.0\.0\.1:\d+/a/place)  for clients: ws://(\S+)$", text, re.MULTILINE)
    assert found is not None, text
    assert found[1] == found[2]


@pytest.mark.parametrize("every", ["0.0.0.0", "[::]"])
def test_the_first_screen_says_where_the_pages_are_that_can_be_opened(start: Start, every: str) -> None:
    if every == "[::]" and not _has_ipv6():
        pytest.skip("no IPv6 here")
    text = "\n".join(start("--listen", f"http://{every}:0", "--data", ":memory:").screen())
    found = re.search(r"pages +(\S+) in a browser", text)
    assert found is not None, text
    with urlopen(found[1], timeout=20) as page:
        assert page.status == 200


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_it_serves(start: Start) -> None:
    with Peer(start("--listen", LOCAL).port()) as peer:
        peer.connect().call(Queue.Declare(0, "q"))
        peer.send(publish("q", b"m") + method(Basic.Get(0, "q", True)))
        assert peer.expect("Basic.GetOk").body == b"m"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_a_goodbye_to_clients(start: Start, number: signal.Signals) -> None:
    process = start("--listen", LOCAL)
    port = process.port()
    with Peer(port) as peer, Peer(port) as stranger:
        peer.connect()
        process.process.send_signal(number)
        assert peer.expect("Connection.Close").reply_code == 320
        peer.send(method(Connection.CloseOk(), 0))
        assert peer.ended()
        assert stranger.ended()
        status, out, err = process.end()
    assert (status, out) == (0, "stopping\n")
    assert "Traceback" not in err


def test_a_signal_stops_it_even_if_clients_do_not_listen(start: Start) -> None:
    process = start("--listen", LOCAL)
    with Peer(process.port()) as peer:
        peer.connect()
        process.process.send_signal(signal.SIGTERM)
        status, _, err = process.end()
    assert status == 0
    assert "Traceback" not in err


def test_several_listeners(start: Start) -> None:
    screen = start("--listen", LOCAL, "--listen", LOCAL).screen()
    ports = {int(found[1]) for line in screen if (found := re.search(r"✓ amqp://127\.0\.0\.1:(\d+)", line))}
    assert len(ports) == 2


def test_the_address_of_the_pages_is_one_that_a_browser_can_open(start: Start) -> None:
    text = "\n".join(start("--listen", "http://0.0.0.0:0", "--data", ":memory:").screen())
    port = re.search(r"✓ http://0\.0\.0\.0:(\d+)$", text, re.MULTILINE)
    assert port is not None, text
    assert f"http://127.0.0.1:{port[1]} in a browser" in text


def test_other_machines_are_pointed_out(start: Start) -> None:
    screen = "\n".join(start("--listen", "amqp://0.0.0.0:0").screen())
    assert "can be reached from other machines" in screen


def test_a_port_in_use_is_named_with_what_to_do_and_nothing_is_made(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "some" / "where"
    with Broker() as broker:
        port = broker.amqp_port
        url = f"amqp://127.0.0.1:{port}"
        status, out, err = start("--listen", LOCAL, "--listen", url, "--data", str(data)).end()
    assert (status, out) == (1, "")
    assert err == (
        f"menura: cannot listen on {url}: port {port} is in use, by another broker perhaps: "
        f"`ss -ltnp sport = :{port}` shows by whom. Stop that one, or choose another port with --listen.\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_port_in_use_leaves_a_directory_that_was_there_as_it_was(start: Start, tmp_path: Path) -> None:
    with Broker() as broker:
        assert start("--listen", f"amqp://127.0.0.1:{broker.amqp_port}", "--data", str(tmp_path)).end()[0] == 1
    assert not list(tmp_path.iterdir())
    start("--listen", LOCAL, "--data", str(tmp_path)).port()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("lyre://127.0.0.1:0", "unknown scheme; known are amqp, amqps"),
        ("127.0.0.1:5672", "unknown scheme"),
        ("5672", "such as amqp://127.0.0.1:5672"),
        ("amqp://127.0.0.1:99999", "a port is a number from 0 to 65535"),
        ("amqps://127.0.0.1:0", "needs a certificate"),
        ("amqps://127.0.0.1:0?cert=/none/at-all", "No such file"),
        ("amqp://127.0.0.1:0?cert=cert.pem&key=key.pem", "takes no TLS settings"),
        ("amqp://[::1", "IPv6"),
    ],
)
def test_an_address_that_cannot_be_is_a_mistake_of_usage_and_leaves_nothing(
    start: Start, url: str, sentence: str, tmp_path: Path
) -> None:
    status, out, err = start("--listen", url, "--data", str(tmp_path / "data")).end()
    assert status == 2
    assert sentence in err
    assert "Traceback" not in err
    assert "ready" not in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "sentence"),
    [("amqp://host.invalid:0", "host.invalid"), ("amqp://192.0.2.1:0", "this machine has no such address")],
)
def test_an_address_that_is_not_here_is_a_sentence_not_a_traceback(
    start: Start, url: str, sentence: str, tmp_path: Path
) -> None:
    status, out, err = start("--listen", url, "--data", str(tmp_path / "data")).end()
    assert status == 1
    assert sentence in err
    assert "Traceback" not in err
    assert "ready" not in out
    assert not list(tmp_path.iterdir())


def test_an_unknown_option_is_a_mistake_of_usage(start: Start) -> None:
    status, _, err = start("--lissen", LOCAL).end()
    assert status == 2
    assert "--lissen" in err


def test_a_first_user_that_cannot_be_is_a_sentence_and_leaves_nobody(start: Start, tmp_path: Path) -> None:
    settings = {"MENURA_DEFAULT_USER": "menura-local"}
    for place in (str(tmp_path / "data"), ":memory:"):
        status, out, err = start("--listen", LOCAL, "--data", place, environment=settings).end()
        assert (status, out) == (1, "")
        assert err.startswith("menura: cannot make the first user (see default_user): 'menura-local' is ")
    start("--listen", LOCAL, "--data", str(tmp_path / "data")).port()
