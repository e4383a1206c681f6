"""The tutorial programs, each run as a person would: consumers first, then a producer, then Ctrl+C.

The programs use fixed names ("hello", "logs", ...), so each test starts and ends with these names deleted. A test waits
for the lines that the programs print; what must not be printed is checked when the program has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import unquote, urlsplit

import pika
import pytest
from tests.clients.program import Program

QUEUES = ["hello", "task_queue", "rpc_queue", "tutorial", "tutorial.one", "tutorial.two"]
EXCHANGES = ["logs", "direct_logs", "topic_logs", "headers_logs"]
Run = Callable[..., Program]


@pytest.fixture(autouse=True)
def clean_broker(amqp_url: str) -> Iterator[None]:
    def delete() -> None:
        with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
            channel = connection.channel()
            for queue in QUEUES:
                channel.queue_delete(queue)
            for exchange in EXCHANGES:
                channel.exchange_delete(exchange)

    delete()
    yield
    delete()


@pytest.fixture
def run(program: Run) -> Iterator[Run]:
    """Start a tutorial program; if a line is given, wait until it is printed. Ended with the test in any case."""
    with ExitStack() as running:

        def start(script: str, *arguments: str, until: str = "") -> Program:
            started = running.enter_context(program(f"tutorials/{script}", *arguments))
            if until:
                started.line(until)
            return started

        yield start


def lines_of(ended: list[str], start: str) -> list[str]:
    return [line for line in ended if line.startswith(start)]


@pytest.mark.parametrize("receiver", ["receive.py", "receive_and_ack.py"])
def test_what_is_sent_is_received(run: Run, receiver: str) -> None:
    receiving = run(receiver, until="waiting")
    assert run("send.py").finish() == ["sent 'Hello World!'"]
    assert run("send.py", "How", "are", "you").finish() == ["sent 'How are you'"]
    receiving.line("received 'How are you'")
    assert lines_of(receiving.interrupt(), "received") == ["received 'Hello World!'", "received 'How are you'"]


def test_a_message_waits_in_the_queue_until_somebody_receives(run: Run) -> None:
    run("send.py", "early").finish()
    receiving = run("receive.py")
    receiving.line("received 'early'")
    receiving.interrupt()


def test_a_durable_queue_keeps_persistent_messages_for_its_consumers(run: Run) -> None:
    run("send_durable.py", "kept").finish()
    receivers = [run("receive_durable.py")]
    receivers[0].line("received 'kept', delivery mode 2")
    receivers.append(run("receive_durable.py", until="waiting"))
    for number in range(4):
        run("send_durable.py", f"number {number}").finish()
    # Whoever is free gets the next one, so only the sum is known.
    receivers[0].line("received 'number")
    receivers[1].line("received 'number")
    got = [line for receiver in receivers for line in lines_of(receiver.interrupt(), "received 'number")]
    assert sorted(got) == [f"received 'number {number}', delivery mode 2" for number in range(4)]


def test_a_queue_cannot_be_declared_again_with_other_flags(run: Run) -> None:
    run("send_durable.py").finish()
    output = run("receive_and_ack.py").finish(status=1)
    assert "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'hello' in vhost" in output[-1]
    assert "received 'false' but current is 'true'" in output[-1]


def test_host_vhost_user_and_password_can_be_given_one_by_one(run: Run, amqp_url: str) -> None:
    parts = urlsplit(amqp_url)
    address = [str(parts.hostname), str(parts.port), unquote(parts.path[1:]) or "/"]
    receiving = run("receive.py", until="waiting")
    assert run("send_as_user.py", *address, "guest", "guest").finish() == ["sent as guest"]
    receiving.line("received 'greetings from guest'")
    (refusal,) = run("send_as_user.py", *address, "guest", "alex3714").finish(status=1)
    assert "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN" in refusal


def test_tasks_go_to_the_workers_in_turn(run: Run) -> None:
    workers = [run("worker_in_turn.py", until="waiting") for _ in range(3)]
    run("new_task.py", *(f"task {number}" for number in range(9))).finish()
    for number, worker in enumerate(workers):
        worker.line(f"received 'task {6 + number}'")
        worker.line("done")
    received = [lines_of(worker.interrupt(), "received") for worker in workers]
    assert received == [[f"received 'task {first + 3 * n}'" for n in range(3)] for first in range(3)]


def test_a_busy_worker_gets_no_further_task_and_a_dead_ones_task_goes_to_another(run: Run) -> None:
    busy = run("worker.py", until="waiting")
    heavy = "heavy" + "." * 300
    run("new_task.py", heavy).finish()
    busy.line("received 'heavy")
    free = run("worker.py", until="waiting")
    run("new_task.py", *(f"light {number}" for number in range(6))).finish()
    for number in range(6):
        free.line(f"received 'light {number}'")
    busy.kill()
    free.line(f"received '{heavy}'")
    assert lines_of(busy.lines, "received") == [f"received '{heavy}'"]


@pytest.mark.parametrize("mode", [(), ("ack",)], ids=["auto-ack", "ack"])
def test_every_subscriber_gets_every_line(run: Run, mode: tuple[str, ...]) -> None:
    assert run("emit_log.py", "nobody", "listens").finish() == ["sent 'nobody listens'"]
    subscribers = [run("receive_logs.py", *mode, until="waiting") for _ in range(2)]
    run("emit_log.py").finish()
    run("emit_log.py", "second").finish()
    for subscriber in subscribers:
        subscriber.line("log: 'second'")
        expected = ["log: 'info: Hello World!'", "log: 'second'"]
        assert lines_of(subscriber.interrupt(), "log:") == expected


def test_a_subscriber_gets_the_severities_it_asked_for(run: Run) -> None:
    calm = run("receive_logs_direct.py", "info", until="waiting")
    curious = run("receive_logs_direct.py", "info", "warning", "error", until="waiting")
    for severity in ("debug", "error", "warning", "info"):
        run("emit_log_direct.py", severity, "something", "happened").finish()
    for subscriber in (calm, curious):
        subscriber.line("info: 'something happened'")
    assert calm.interrupt()[1:] == ["info: 'something happened'"]
    assert curious.interrupt()[1:] == [f"{s}: 'something happened'" for s in ("error", "warning", "info")]


def test_topic_patterns_select_by_words(run: Run) -> None:
    patterns = {
        "all": ["#"],
        "kernel": ["kern.*"],
        "critical": ["*.critical"],
        "both": ["kern.*", "*.critical"],
        "exact": ["anonymous.info"],
        "one more word": ["www.*"],
        "any more words": ["www.#"],
    }
    receivers = {name: run("receive_logs_topic.py", *keys, until="waiting") for name, keys in patterns.items()}
    run("emit_log_topic.py", "kern.critical", "A", "kernel", "error").finish()
    keys = ["kern.info", "cron.critical", "anonymous.info", "www.example", "www.example.com", "www"]
    run("emit_log_topic.py", "--keys", *keys).finish()
    run("emit_log_topic.py", "--keys", "kern.end", "end.critical", "anonymous.info", "www.end").finish()
    ends = ["www.end", "kern.end", "end.critical", "end.critical", "anonymous.info", "www.end", "www.end"]
    got = {}
    for (name, receiver), end in zip(receivers.items(), ends, strict=True):
        # "anonymous.info" comes twice, so the exact pattern's last line is its second.
        for _ in range(2 if name == "exact" else 1):
            receiver.line(f"^{end}: ")
        got[name] = [line.split(":")[0] for line in receiver.interrupt()[1:]]
    assert got == {
        "all": ["kern.critical", *keys, "kern.end", "end.critical", "anonymous.info", "www.end"],
        "kernel": ["kern.critical", "kern.info", "kern.end"],
        "critical": ["kern.critical", "cron.critical", "end.critical"],
        "both": ["kern.critical", "kern.info", "cron.critical", "kern.end", "end.critical"],
        "exact": ["anonymous.info", "anonymous.info"],
        "one more word": ["www.example", "www.end"],
        "any more words": ["www.example", "www.example.com", "www", "www.end"],
    }


def test_a_message_that_fits_two_patterns_of_a_queue_comes_once(run: Run) -> None:
    orange = run("receive_logs_topic.py", "*.orange.*", until="waiting")
    rabbits_and_lazy = run("receive_logs_topic.py", "*.*.rabbit", "lazy.#", until="waiting")
    keys = ["quick.orange.rabbit", "lazy.orange.fox", "lazy.brown.fox", "lazy.pink.rabbit"]
    dropped = ["quick.brown.fox", "orange", "quick.orange.male.rabbit"]
    run("emit_log_topic.py", "--keys", *keys, *dropped, "lazy.orange.end").finish()
    got = []
    for receiver in (orange, rabbits_and_lazy):
        receiver.line("lazy.orange.end")
        got.append([line.split(":")[0] for line in receiver.interrupt()[1:-1]])
    assert got == [
        ["quick.orange.rabbit", "lazy.orange.fox"],
        ["quick.orange.rabbit", "lazy.orange.fox", "lazy.brown.fox", "lazy.pink.rabbit"],
    ]


def test_headers_select_by_all_or_any(run: Run) -> None:
    both = run("receive_logs_headers.py", "all", "host=a", "level=error", until="waiting")
    either = run("receive_logs_headers.py", "any", "host=a", "level=error", until="waiting")
    for headers in (["host=a"], ["level=info"], ["level=error", "host=b"], ["host=a", "level=error"]):
        run("emit_log_headers.py", *headers).finish()
    last = "log: {'host': 'a', 'level': 'error'}"
    for receiver in (both, either):
        receiver.line(last)
    assert both.interrupt()[1:] == [last]
    assert either.interrupt()[1:] == ["log: {'host': 'a'}", "log: {'level': 'error', 'host': 'b'}", last]


def test_a_remote_procedure_is_called(run: Run) -> None:
    servers = [run("rpc_server.py", until="waiting") for _ in range(2)]
    clients = [run("rpc_client.py", "4", "30"), run("rpc_client.py")]
    assert clients[0].finish() == ["fib(4) is 3", "fib(30) is 832040"]
    assert clients[1].finish() == ["fib(30) is 832040"]
    served = [line for server in servers for line in server.interrupt() if line.startswith("fib")]
    assert sorted(served) == ["fib(30)", "fib(30)", "fib(4)"]


def test_a_pause_must_answer_heartbeats(run: Run) -> None:
    polite, rude = run("slow_publisher.py", "politely"), run("slow_publisher.py", "rudely")
    assert polite.finish() == ["sent one", "sent another"]
    assert rude.finish(status=1)[1].startswith("lost: ")


def test_a_service_answers_calls_casts_and_fanouts(run: Run) -> None:
    one, two = (run("service_server.py", name, until="serving") for name in ("one", "two"))
    assert run("service_client.py").finish()[-2:] == ["hello you, this is one", "done"]
    for server in (one, two):
        for _ in range(2):
            server.line(r"^\w+ (greets|notes) ")
    said = [
        sorted(line for line in server.interrupt() if line.startswith(name))
        for server, name in ((one, "one"), (two, "two"))
    ]
    assert said == [
        ["one greets you", "one notes 'for everybody'"],
        ["two notes 'for everybody'", "two notes 'for two only'"],
    ]
