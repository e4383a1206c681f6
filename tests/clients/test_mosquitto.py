"""mosquitto_pub, mosquitto_sub and mosquitto_rr, the command line clients of libmosquitto, as subprocesses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme
from tests.clients.needs import needs
from tests.clients.program import Program

import menura

VERSIONS = pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "mqttv5"])
TIMED_OUT = 27  # an exit status; those from a refused CONNECT are its return code
Run = Callable[..., Program]


def port_of(broker: menura.Broker, scheme: str = "mqtt") -> str:
    return str(next(listener.port for listener in broker.listeners if listener.address.scheme == scheme))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[menura.Broker]:
    data = str(tmp_path_factory.mktemp("data"))
    with menura.Broker(listen=["mqtt://127.0.0.1:0"], data=data) as broker:
        yield broker


@pytest.fixture
def run(broker: menura.Broker) -> Iterator[Run]:
    """Starts `mosquitto_NAME`; if a line is given, waits until it is printed. Ended with the test in any case."""
    with ExitStack() as running:

        def start(name: str, *arguments: str, until: str = "", port: str = port_of(broker)) -> Program:
            # Lines that it writes into a pipe would otherwise be kept until there are many.
            line_by_line = [needs("stdbuf"), "-oL", needs(f"mosquitto_{name}")]
            started = running.enter_context(Program(*line_by_line, "-h", "127.0.0.1", "-p", port, *arguments))
            if until:
                started.line(until)
            return started

        yield start


@pytest.fixture
def subscribed(run: Run) -> Run:
    """Starts mosquitto_sub and waits until it has subscribed; what it tells of that is not in its lines."""

    def start(*arguments: str) -> Program:
        started = run("sub", "-d", *arguments, until="^Subscribed")
        started.lines.clear()
        return started

    return start


def told(program: Program) -> list[str]:
    """What it printed of messages, when it has ended by itself."""
    return [line[2:] for line in program.finish() if line.startswith("> ")]


@VERSIONS
@pytest.mark.parametrize("qos", ["0", "1", "2"])
def test_messages_arrive_in_order(run: Run, subscribed: Run, name: str, version: str, qos: str) -> None:
    reader = subscribed("-V", version, "-q", qos, "-t", f"{name}/+", "-C", "51", "-F", "> %t %q %p")
    run("pub", "-V", version, "-q", qos, "-t", f"{name}/x", "-m", "again", "--repeat", "50").finish()
    run("pub", "-V", version, "-q", qos, "-t", f"{name}/y", "-n").finish()
    assert told(reader) == [f"{name}/x {qos} again"] * 50 + [f"{name}/y {qos} "]


@VERSIONS
def test_retained_messages_are_kept_and_cleared(run: Run, subscribed: Run, name: str, version: str) -> None:
    for level in ("a", "b"):
        run("pub", "-V", version, "-t", f"{name}/{level}", "-m", level, "-r", "-q", "1").finish()
    run("pub", "-V", version, "-t", f"{name}/a", "-n", "-r", "-q", "1").finish()
    late = ("-V", version, "-q", "1", "-t", f"{name}/#", "-F", "> %t %r %p")
    assert told(run("sub", *late, "-C", "1")) == [f"{name}/b 1 b"]
    watcher = subscribed("-q", "1", "-t", f"{name}/b", "-R", "-F", "> %p.", "-C", "1")
    removing = run("sub", *late, "--remove-retained")
    assert removing.line("^> ") == f"> {name}/b 1 b"
    assert told(watcher) == ["."]
    reader = subscribed(*late, "-C", "1")
    run("pub", "-t", f"{name}/c", "-m", "c").finish()
    assert told(reader) == [f"{name}/c 0 c"]


@VERSIONS
def test_a_will_is_published_for_who_is_killed(run: Run, subscribed: Run, name: str, version: str) -> None:
    watcher = subscribed("-V", version, "-q", "1", "-t", f"{name}/will", "-C", "1", "-F", "> %q %p")
    will = ("--will-topic", f"{name}/will", "--will-payload", "gone", "--will-qos", "1")
    polite = subscribed("-V", version, "-t", f"{name}/polite", "-C", "1", *will)
    run("pub", "-t", f"{name}/polite", "-m", "bye").finish()
    polite.finish()
    subscribed("-V", version, "-t", name, *will[:3], "killed", *will[4:]).kill()
    assert told(watcher) == ["1 killed"]


def test_properties_of_version_5_arrive(run: Run, subscribed: Run, name: str) -> None:
    reader = subscribed("-V", "mqttv5", "-t", name, "-C", "1", "-F", "> %A %C %D %E %F %P %R %S %p")
    given = {
        "payload-format-indicator": ["1"], "message-expiry-interval": ["1000"], "content-type": ["text/plain"],
        "response-topic": ["answers/here"], "correlation-data": ["id-1"], "user-property": ["k", "ä"],
    }  # fmt: skip
    words = [word for key, value in given.items() for word in ("-D", "publish", key, *value)]
    run("pub", "-V", "mqttv5", "-t", name, "-m", "x", *words, "-D", "publish", "user-property", "k", "2").finish()
    (line,) = told(reader)
    *before, expiry, format, first, second, topic, _, body = line.split(" ")[1:]
    assert before == ["text/plain", "id-1"]
    assert 990 <= int(expiry) <= 1000
    assert (format, first, second, topic, body) == ("1", "k:ä", "k:2", "answers/here", "x")


def test_a_message_that_has_expired_is_not_delivered(run: Run, name: str) -> None:
    session = ("-V", "mqttv5", "-c", "-i", name, "-q", "1", "-t", name)
    run("sub", *session, "-E").finish()
    short = ("-D", "publish", "message-expiry-interval", "1")
    run("pub", "-V", "mqttv5", "-q", "1", "-t", name, "-m", "short", *short).finish()
    # Nothing else is needed than time: another client waits for it.
    run("sub", "-t", f"{name}/nothing", "-W", "2").finish(TIMED_OUT)
    run("pub", "-V", "mqttv5", "-q", "1", "-t", name, "-m", "long").finish()
    assert told(run("sub", *session, "-C", "1", "-F", "> %p")) == ["long"]


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_members_of_a_group_share_messages(run: Run, subscribed: Run, name: str, version: str) -> None:
    members = [
        subscribed("-V", version, "-q", "1", "-t", f"$share/group/{name}", "-C", "10", "-F", "> %p") for _ in range(2)
    ]
    for number in range(20):
        run("pub", "-V", version, "-q", "1", "-t", name, "-m", str(number)).finish()
    got = [told(member) for member in members]
    assert sorted(int(text) for texts in got for text in texts) == list(range(20))


@VERSIONS
def test_a_session_keeps_what_comes_meanwhile(run: Run, name: str, version: str) -> None:
    session = ("-V", version, "-c", "-i", name[-20:], "-q", "2", "-t", f"{name}/+")
    run("sub", *session, "-E").finish()
    for qos in ("0", "1", "2"):
        run("pub", "-V", version, "-q", qos, "-t", f"{name}/x", "-m", qos).finish()
    assert told(run("sub", *session, "-C", "3", "-F", "> %q %p")) == ["0 0", "1 1", "2 2"]


def test_a_session_of_version_5_ends_when_it_has_expired(run: Run, name: str) -> None:
    session = ("-V", "mqttv5", "-c", "-i", name, "-q", "1", "-t", name)
    run("sub", *session, "-x", "1", "-E").finish()
    run("pub", "-q", "1", "-t", name, "-m", "lost").finish()
    run("sub", "-t", f"{name}/nothing", "-W", "2").finish(TIMED_OUT)
    again = run("sub", *session, "-F", "> %p", "-C", "1", "-d", until="^Subscribed")
    run("pub", "-q", "1", "-t", name, "-m", "fresh").finish()
    assert told(again) == ["fresh"]


def test_who_asks_gets_the_answer(run: Run, subscribed: Run, name: str) -> None:
    service = subscribed("-V", "mqttv5", "-q", "1", "-t", f"{name}/service", "-F", "> %R %D %p")
    request = ("-t", f"{name}/service", "-e", f"{name}/answers", "-m", "ping", "-W", "20", "-F", "> %D %p")
    asking = run("rr", "-V", "mqttv5", "-q", "1", *request, "-D", "publish", "correlation-data", "7")
    _, topic, correlation, body = service.line("^> ").split(" ")
    assert (topic, correlation, body) == (f"{name}/answers", "7", "ping")
    answer = ("-D", "publish", "correlation-data", correlation)
    run("pub", "-V", "mqttv5", "-q", "1", "-t", topic, "-m", "pong", *answer).finish()
    assert told(asking) == ["7 pong"]


@pytest.mark.parametrize(("version", "status"), [("mqttv31", 4), ("mqttv311", 4), ("mqttv5", 0x86)])
def test_a_wrong_password_is_refused(run: Run, name: str, version: str, status: int) -> None:
    run("pub", "-V", version, "-u", "guest", "-P", "wrong", "-t", name, "-m", "x").finish(status)


def test_tls(run: Run, tmp_path: Path, name: str) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    with menura.Broker(listen=[f"mqtts://127.0.0.1:0?cert={tmp_path}/server.pem"]) as broker:
        settings = ("--cafile", str(tmp_path / "ca.pem"), "-q", "1", "-t", name)
        reader = run(
            "sub", *settings, "-C", "1", "-F", "> %p", "-d", until="^Subscribed", port=port_of(broker, "mqtts")
        )
        run("pub", *settings, "-m", "x", port=port_of(broker, "mqtts")).finish()
        assert told(reader) == ["x"]
