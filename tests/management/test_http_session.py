"""HTTP as it goes over the wire: any cut of the input, any order of requests, and what nobody should send."""

from __future__ import annotations

import json
import random

import pytest
from tests.management.http_peer import HOST, LOGIN, Desk, HttpPeer, request
from tests.seeds import first_seed

from menura.management.http import session as limits
from menura.management.http.messages import BODY_BYTES_MAX

SEED = first_seed()
TALK = (
    request("POST", "/test/echo", b"one")
    + request("GET", "/api/whoami")
    + request("HEAD", "/api/whoami")
    + request("POST", "/test/echo", b"4\r\ntwo!\r\n0\r\n\r\n", headers=b"Transfer-Encoding: chunked\r\n").replace(
        b"Content-Length: 14\r\n", b""
    )
    + request("GET", "/api/unheard-of")
    + request("PUT", "/api/users/anna", b'{"tags":""}')
    + request("GET", "/api/users/anna")
)
METHODS = ("POST", "GET", "HEAD", "POST", "GET", "PUT", "GET")


def _told(peer: HttpPeer) -> list[tuple[int, bytes]]:
    return [(told.status, told.body) for told in peer.answers(*METHODS)]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def peer(desk: Desk) -> HttpPeer:
    return HttpPeer(desk)


def test_a_talk_is_answered_in_order(peer: HttpPeer) -> None:
    told = _told(peer.send(TALK))
    assert [status for status, _ in told] == [200, 200, 200, 200, 404, 201, 200]
    assert [body for _, body in told][:4:3] == [b"one", b"two!"]
    assert told[2][1] == b""
    assert not peer.closed


def test_any_cut_of_a_talk_is_answered_alike() -> None:
    whole = _told(HttpPeer(Desk()).send(TALK))
    whole[-1] = (200, b"")  # has a hash that differs
    for step in (1, 2, 3, 7, 50):
        told = _told(HttpPeer(Desk()).send(TALK, step=step))
        told[-1] = (told[-1][0], b"")
        assert told == whole, step


def test_any_place_of_one_cut_is_as_good_as_none(desk: Desk) -> None:
    data = request("POST", "/test/echo", b"a\r\nb") + request("GET", "/api/version")
    for at in range(1, len(data)):
        peer = HttpPeer(desk)
        peer.session.receive(data[:at])
        peer.said += peer.session.flush()
        peer.send(data[at:])
        assert [told.body for told in peer.answers("POST")] == [b"a\r\nb", b'"4.2.0"'], at


def test_an_answer_that_takes_long_holds_back_those_behind_it(peer: HttpPeer) -> None:
    peer.session.receive(request("GET", "/test/slow/20") + request("GET", "/api/version"))
    assert peer.session.flush() == b""
    assert not peer.session.reading
    assert [told.body for told in peer.finish().answers()] == [b'"20"', b'"4.2.0"']
    assert peer.session.reading


def test_a_client_may_wait_to_be_told_to_go_on(peer: HttpPeer) -> None:
    head = request("POST", "/test/echo", b"abc", headers=b"Expect: 100-continue\r\n").removesuffix(b"abc")
    assert peer.send(head).said.startswith(b"HTTP/1.1 100")
    assert [told.status for told in peer.send(b"abc").answers("POST")] == [100, 200]


def test_who_may_not_come_in_is_not_told_to_go_on(peer: HttpPeer) -> None:
    head = request("POST", "/test/echo", b"abc", headers=b"Expect: 100-continue\r\n", login=b"").removesuffix(b"abc")
    assert [told.status for told in peer.send(head).answers("POST")] == [401]
    assert peer.closed


def test_a_get_with_a_body_keeps_its_place(peer: HttpPeer) -> None:
    peer.send(request("GET", "/api/version", b"GET /x HTTP/1.1\r\n\r\n") + request("GET", "/api/whoami"))
    assert [told.status for told in peer.answers()] == [200, 200]


def test_http_1_0_is_answered_and_ends(peer: HttpPeer) -> None:
    assert peer.send(b"GET /api/version HTTP/1.0\r\n\r\n").answers()[0].body == b'"4.2.0"'
    assert peer.closed


def test_a_client_that_says_close_is_obeyed(peer: HttpPeer) -> None:
    peer.send(request("GET", "/api/version", headers=b"Connection: close\r\n") + request("GET", "/api/version"))
    assert len(peer.answers()) == 1
    assert peer.closed


@pytest.mark.parametrize("header", [b"Upgrade: websocket\r\nConnection: upgrade\r\n", b"Upgrade: h2c\r\n"])
def test_no_upgrade_is_taken(peer: HttpPeer, header: bytes) -> None:
    assert [told.status for told in peer.send(request("GET", "/api/version", headers=header)).answers()] == [200]


# -- what is too much --------------------------------------------------------------------------------------------


def test_a_head_without_end_is_refused(peer: HttpPeer) -> None:
    peer.send(b"GET / HTTP/1.1\r\nX: " + b"x" * (limits.HEAD_BYTES_MAX + 100_000))
    assert [told.status for told in peer.answers()] == [431]
    assert peer.closed


def test_a_body_that_is_announced_too_long_is_not_read(peer: HttpPeer) -> None:
    head = request("POST", "/test/echo", headers=b"Content-Length: %d\r\n" % (BODY_BYTES_MAX + 1))
    assert [told.status for told in peer.send(head).answers("POST")] == [413]
    assert peer.closed


@pytest.mark.parametrize("length", [b"9" * 30, b"9" * 19, b"0" * 20 + b"1"])
def test_a_length_beyond_all_numbers_is_refused(peer: HttpPeer, length: bytes) -> None:
    head = request("POST", "/test/echo", headers=b"Content-Length: " + length + b"\r\n")
    assert peer.send(head).answers("POST")[0].status in (400, 413)
    assert peer.closed


def test_a_body_that_grows_too_long_is_cut_off(desk: Desk) -> None:
    peer = HttpPeer(desk)
    peer.send(request("POST", "/test/echo", headers=b"Transfer-Encoding: chunked\r\n"))
    piece = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    for _ in range(BODY_BYTES_MAX // 0x100000 + 2):
        peer.send(piece)
    assert [told.status for told in peer.answers("POST")] == [413]
    assert peer.closed
    assert desk.seen == []


def test_without_a_login_only_little_is_taken(peer: HttpPeer) -> None:
    peer.send(request("POST", "/api/login", b"x" * 20_000, login=b""))
    assert [told.status for told in peer.answers("POST")] == [413]


def test_a_body_in_the_smallest_pieces_leaves_time_for_others(desk: Desk) -> None:
    peer = HttpPeer(desk)
    peer.session.receive(
        request("POST", "/test/echo", headers=b"Transfer-Encoding: chunked\r\n") + b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n"
    )
    assert not peer.session.reading
    assert desk.run() >= 5000 // limits.PIECES_A_TURN_MAX
    assert peer.finish().answers("POST")[0].body == b"x" * 5000


def test_a_hundred_requests_at_once_leave_time_for_others(desk: Desk) -> None:
    peer = HttpPeer(desk)
    peer.session.receive(request("GET", "/api/version") * 100)
    assert desk.run() >= 100 // limits.REQUESTS_A_TURN_MAX - 1
    assert len(peer.finish().answers()) == 100


# -- what is too slow --------------------------------------------------------------------------------------------


def test_nothing_at_all_ends_in_silence(peer: HttpPeer) -> None:
    assert not peer.tick(limits.HEAD_SECONDS_MAX - 1).closed
    assert peer.tick(limits.HEAD_SECONDS_MAX).closed
    assert peer.said == b""


def test_a_head_that_does_not_come_to_its_end_is_given_up(peer: HttpPeer) -> None:
    peer.send(b"GET / HT").tick(limits.HEAD_SECONDS_MAX)
    assert [told.status for told in peer.answers()] == [408]
    assert peer.closed


def test_a_body_that_does_not_come_to_its_end_is_given_up(desk: Desk, peer: HttpPeer) -> None:
    peer.send(request("POST", "/test/echo", b"abc")[:-1])
    for second in range(int(limits.BODY_SECONDS_MAX)):
        assert not peer.tick(second).closed
    assert [told.status for told in peer.tick(limits.BODY_SECONDS_MAX + 1).answers("POST")] == [408]
    assert peer.closed
    assert desk.seen == []


def test_a_client_that_asks_nothing_more_is_let_go(peer: HttpPeer) -> None:
    peer.send(request("GET", "/api/version"))
    assert not peer.tick(limits.IDLE_SECONDS_MAX - 1).closed
    assert peer.tick(limits.IDLE_SECONDS_MAX + 1).closed


def test_a_client_that_takes_no_answer_is_cut_off(peer: HttpPeer) -> None:
    peer.send(request("GET", "/api/version"))
    peer.session.congested = True
    peer.tick(1.0)
    assert not peer.closed
    assert peer.tick(limits.UNREAD_SECONDS_MAX + 2).closed


def test_work_is_not_hurried_by_the_clock(desk: Desk, peer: HttpPeer) -> None:
    peer.session.receive(request("GET", "/test/slow/3"))
    peer.tick(1000.0)
    assert not peer.closed
    assert [told.body for told in peer.finish().answers()] == [b'"3"']


# -- streams -----------------------------------------------------------------------------------------------------


def test_a_stream_says_something_at_each_tick(peer: HttpPeer) -> None:
    peer.send(request("GET", "/test/stream"))
    peer.tick(1).tick(2)
    assert b"text/event-stream" in peer.said
    assert b"at 1\n" in peer.said
    assert b"at 2\n" in peer.said


def test_a_stream_waits_while_nobody_reads(peer: HttpPeer) -> None:
    peer.send(request("GET", "/test/stream"))
    peer.session.congested = True
    assert b"at 5" not in peer.tick(5).said
    peer.session.congested = False
    assert b"at 6" in peer.tick(6).said


def test_what_is_said_behind_a_stream_is_neither_done_nor_kept(desk: Desk, peer: HttpPeer) -> None:
    peer.send(request("GET", "/test/stream"))
    for _ in range(50):
        peer.send(request("POST", "/test/echo", b"x" * 10_000))
    assert desk.seen == []
    assert len(peer.session._connection.trailing_data[0]) < 10_000


def test_only_the_head_of_a_stream_can_be_had(peer: HttpPeer) -> None:
    peer.send(request("HEAD", "/test/stream") + request("GET", "/api/version"))
    told = peer.answers("HEAD", "GET")
    assert [found.status for found in told] == [200, 200]
    assert told[1].body == b'"4.2.0"'


# -- who has gone ------------------------------------------------------------------------------------------------


def test_nothing_more_is_done_for_those_who_have_gone(desk: Desk) -> None:
    for turns in range(1000, 1020):
        peer = HttpPeer(desk)
        peer.session.receive(request("GET", f"/test/slow/{turns}"))
        peer.session.lost()
    assert desk.run(turns_max=100) <= 100
    assert len(desk.closed) == 20


def test_much_work_is_done_in_one_chain_of_turns(desk: Desk) -> None:
    peers = [HttpPeer(desk) for _ in range(10)]
    for peer in peers:
        peer.session.receive(request("GET", "/test/slow/3") * 3)
    most = 0
    while desk.busy():
        most = max(most, len(desk.turns))
        for _ in range(len(desk.turns)):
            desk.turns.popleft()()
    assert most == 1
    for peer in peers:
        assert [told.body for told in peer.finish().answers()] == [b'"3"'] * 3


def test_a_defect_of_ours_is_an_answer_and_no_more(peer: HttpPeer) -> None:
    peer.send(request("GET", "/test/defect") + request("GET", "/test/unspeakable") + request("GET", "/api/version"))
    assert [told.status for told in peer.answers()] == [500, 500, 200]
    assert json.loads(peer.answers()[0].body)["error"] == "internal_error"


# -- what is ambiguous -------------------------------------------------------------------------------------------

_BEHIND = request("PUT", "/api/users/smuggled", b'{"tags":""}')


@pytest.mark.parametrize(
    "data",
    [
        request("POST", "/test/echo", b"0\r\n\r\n", headers=b"Transfer-Encoding: chunked\r\n"),
        request("POST", "/test/echo", b"abc", headers=b"Content-Length: 30\r\n"),
        request("POST", "/test/echo", headers=b"Content-Length: 3, 30\r\n"),
        request("POST", "/test/echo", headers=b"Content-Length: +3\r\n"),
        request("POST", "/test/echo", headers=b"Content-Length: -3\r\n"),
        request("POST", "/test/echo", headers=b"Content-Length: 0x3\r\n"),
        request("POST", "/test/echo", headers=b"Content-Length : 3\r\n"),
        request("POST", "/test/echo", headers=b"Transfer-Encoding: chunked, identity\r\n"),
        request("POST", "/test/echo", headers=b"Transfer-Encoding: gzip, chunked\r\n"),
        request("POST", "/test/echo", headers=b"Transfer-Encoding: xchunked\r\n"),
        request("POST", "/test/echo", headers=b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        request("POST", "/test/echo", headers=b"Transfer-Encoding: chunked\r\n") + b"0x3\r\nabc\r\n0\r\n\r\n",
        request("POST", "/test/echo", headers=b"Transfer-Encoding: chunked\r\n") + b"-1\r\nabc\r\n0\r\n\r\n",
        request("POST", "/test/echo", headers=b"Transfer-Encoding: chunked\r\n") + b"3\r\nabcd\r\n0\r\n\r\n",
        request("POST", "/test/echo", headers=b"Transfer-Encoding: chunked\r\n") + b"f" * 30 + b"\r\n",
        request("GET", "/api/version", headers=b"Host: elsewhere\r\n"),
        request("GET", "/api/version", headers=b"X: a\r\n\tb\x00c\r\n"),
        request("GET", "/api/version", headers=b"X\x00Y: a\r\n"),
        request("GET", "/api/version", headers=b": a\r\n"),
        request("GET", "/api/version", headers=b"no colon\r\n"),
        request("GET", "/api/ver\x0bsion"),
        request("GE T", "/api/version"),
        b"GET /api/version HTTP/1.1\r\n" + LOGIN + b"\r\n",
        b"GET /api/version HTTP/3.7\r\n" + HOST + LOGIN + b"\r\n",
        b"GET /api/version\r\n" + HOST + LOGIN + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"AMQP\x00\x00\x09\x01" + b"\r\n\r\n",
        b"POST /test/echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" + LOGIN + b"\r\n",
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_is_refused_and_ends(data: bytes, desk: Desk) -> None:
    peer = HttpPeer(desk).send(data + _BEHIND)
    assert [told.status // 100 for told in peer.answers("POST")] in ([4], [5])
    assert peer.closed
    assert desk.seen == []
    assert "smuggled" not in desk.broker.node.users
    assert [line for line in peer.log if line[0] == "defect"] == []


@pytest.mark.parametrize("target", ["*", "http://127.0.0.1:15672/api/version", "127.0.0.1:15672", "api/version"])
def test_a_target_that_is_no_path_is_refused(target: str, peer: HttpPeer) -> None:
    for method in ("GET", "OPTIONS", "CONNECT"):
        peer.send(request(method, target))
    assert peer.answers()[0].status == 400


@pytest.mark.parametrize("seed", range(SEED, SEED + 10))
def test_spoiled_requests_are_answered_or_refused_but_never_a_defect(seed: int) -> None:
    dice = random.Random(seed)
    desk = Desk()
    peer = HttpPeer(desk)
    for _ in range(60):
        if peer.closed:
            peer = HttpPeer(desk)
        data = bytearray(TALK)
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(data))
            match dice.randrange(4):
                case 0:
                    data[at] = dice.randrange(256)
                case 1:
                    del data[at : at + dice.randrange(20)]
                case 2:
                    data[at:at] = dice.choice([b"\r\n", b"\x00", b"\xff", b" ", b"%", b"/", b"\r\n\r\n"])
                case _:
                    data[at:at] = data[dice.randrange(len(data)) :][:40]
        peer.send(bytes(data), step=dice.choice([0, 1, 17]))
        assert [line for line in peer.log if line[0] == "defect"] == [], seed
        peer.tick(1000.0)
