"""What x-death tells about a message that has died: its fields as bytes, repeated deaths, several queues."""

from __future__ import annotations

import re

import pytest
from pamqp.commands import Basic
from tests.conformance.answers import delivered, got
from tests.conformance.deaths import DeadLetter, Graveyard, death
from tests.conformance.frames import METHOD, long
from tests.conformance.wire import Client

SOON = 50
ANY_TIME = b"any time"


def text(value: str) -> bytes:
    return b"S" + long(value.encode())


def pattern(data: bytes) -> bytes:
    return re.escape(data).replace(re.escape(ANY_TIME), b"." * len(ANY_TIME))


def test_the_first_death_as_bytes(c: Client, q: str, q2: str) -> None:
    c.queue(q, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q2})
    c.queue(q2)
    c.publish(q, expiration="60000")
    c.ask(Basic.Get(queue=q), got(1, expiration="60000"))
    c.consume(q2, no_ack=True)
    c.send(Basic.Reject(1, requeue=False))
    fields = [
        (b"\x05count", b"l" + (1).to_bytes(8, "big")),
        (b"\x06reason", text("rejected")),
        (b"\x05queue", text(q)),
        (b"\x04time", b"T" + ANY_TIME),
        (b"\x08exchange", text("")),
        (b"\x0crouting-keys", b"A" + long(text(q))),
        (b"\x13original-expiration", text("60000")),
    ]
    entry = b"F" + long(b"".join(name + value for name, value in fields))
    first = [
        (b"\x16x-first-death-exchange", text("")),
        (b"\x13x-first-death-queue", text(q)),
        (b"\x14x-first-death-reason", text("rejected")),
    ]
    assert c.frame_bytes()[0] == METHOD
    header = c.frame_bytes()
    assert re.search(pattern(b"\x07x-deathA" + long(entry)), header, re.DOTALL)
    assert b"".join(name + value for name, value in first) in header


def die(c: Client, queue: str, tag: int) -> None:
    """Take a message from a queue that gets its own dead letters, and refuse it."""
    c.ask(Basic.Get(queue=queue), f"1 Basic.GetOk(delivery_tag={tag}, ...")
    c.send(Basic.Reject(tag, requeue=False))


def test_deaths_in_the_same_queue_for_the_same_reason_are_counted(
    c: Client, grave: Graveyard, q: str, x: str, y: str
) -> None:
    """And stay dated and addressed as the first of them."""
    c.exchange(x, "fanout")
    c.exchange(y, "fanout")
    c.queue(q, **{"x-dead-letter-exchange": y})
    for exchange in (x, y):
        c.bind(q, exchange)
    grave.bind(y)
    c.consume(q)
    c.publish("k", exchange=x)
    for count in (1, 2, 3):
        c.expect(f"1 Basic.Deliver(consumer_tag='c', delivery_tag={count}, ...")
        c.send(Basic.Reject(count, requeue=False))
        entry = death(q, "rejected", exchange=x, keys=["k"], count=count)
        assert grave.next() == DeadLetter(b"m", "k", y, [entry], ("rejected", q, x))


def test_deaths_for_different_reasons_are_told_apart(c: Client, grave: Graveyard, q: str, x: str) -> None:
    """Rejected in q, and expired when it has come back and nobody is there any more."""
    c.exchange(x, "fanout")
    c.queue(q, **{"x-dead-letter-exchange": x, "x-message-ttl": SOON})
    c.bind(q, x)
    grave.bind(x)
    c.consume(q)
    c.publish(q)
    c.expect(delivered(1))
    c.ask(Basic.Cancel("c"), "1 Basic.CancelOk(consumer_tag='c')")
    c.send(Basic.Reject(1, requeue=False))
    rejected, expired = death(q, "rejected", keys=[q]), death(q, "expired", exchange=x, keys=[q])
    assert grave.next().deaths == [rejected]
    assert grave.next().deaths == [expired, rejected]


def test_the_newest_death_comes_first(c: Client, grave: Graveyard, q: str, q2: str) -> None:
    c.queue(q, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q2})
    c.queue(q2, **{"x-message-ttl": SOON}, **grave.to_here)
    c.publish(q)
    die(c, q, 1)
    deaths = [death(q2, "expired", keys=[q2]), death(q, "rejected", keys=[q])]
    assert grave.next() == DeadLetter(b"m", grave.queue, "", deaths, ("rejected", q, ""))


def test_a_repeated_death_moves_to_the_front(c: Client, q: str, q2: str) -> None:
    """Rejected in q, to q2, expired there, back to q: a queue for retries."""
    c.queue(q, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q2})
    c.queue(q2, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q, "x-message-ttl": SOON})
    c.consume(q)
    c.publish(q, expiration="60000")
    c.expect("1 Basic.Deliver(consumer_tag='c', delivery_tag=1, ...) {expiration='60000'} b'm'")
    for count in (1, 2, 3):
        c.send(Basic.Reject(count, requeue=False))
        _, _, head, _ = c.method()
        deaths = head.properties.headers["x-death"]
        for entry in deaths:
            del entry["time"]
        assert deaths == [
            death(q2, "expired", keys=[q2], count=count),
            death(q, "rejected", keys=[q], count=count, expiration="60000"),
        ]
        assert head.properties.headers["x-first-death-reason"] == "rejected"
        assert head.properties.expiration is None


# -- CC and BCC --------------------------------------------------------------------------------------------

COPIES = {"CC": ["cc"], "BCC": ["bcc"]}


@pytest.mark.parametrize("key", ["k", "cc", "bcc"])
def test_a_dead_letter_is_routed_by_all_its_keys(c: Client, grave: Graveyard, q: str, x: str, y: str, key: str) -> None:
    c.exchange(x, "fanout")
    c.exchange(y, "direct")
    c.queue(q, **{"x-dead-letter-exchange": y})
    c.bind(q, x)
    grave.bind(y, key)
    c.publish("k", exchange=x, headers=COPIES)
    die(c, q, 1)
    letter = grave.next()
    assert letter.key == "k"
    assert letter.headers == {"CC": ["cc"]}
    assert letter.deaths == [death(q, "rejected", exchange=x, keys=["k", "cc"])]


def test_another_routing_key_replaces_them_all(c: Client, grave: Graveyard, q: str, x: str, y: str) -> None:
    c.exchange(x, "fanout")
    c.exchange(y, "direct")
    c.queue(q, **{"x-dead-letter-exchange": y, "x-dead-letter-routing-key": "another"})
    c.bind(q, x)
    for key in ("k", "cc", "bcc"):
        c.bind(q, y, key)
    grave.bind(y, "another")
    c.publish("k", exchange=x, headers={**COPIES, "h": 1})
    die(c, q, 1)
    letter = grave.next()
    assert letter.headers == {"h": 1}
    assert letter.deaths == [death(q, "rejected", exchange=x, keys=["k", "cc"])]
    assert c.bodies(q) == []
