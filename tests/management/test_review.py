"""What somebody could do to others with a body, an answer or a number that is too large; what no crash may undo."""

from __future__ import annotations

import json
import random
import shutil
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from tests.management.conftest import http_port
from tests.management.http_client import Client
from tests.seeds import first_seed

import menura
from menura.management import definitions
from menura.management.api.live import ANSWER_BYTES_MAX
from menura.management.http.long_json import OTHERS_MAX, SHORT_BYTES, TooMuch, in_pieces, mostly_text
from menura.management.http.messages import run

# -- long bodies -------------------------------------------------------------------------------------------------


def value(seed: random.Random, depth: int = 0) -> Any:
    kinds = ["text", "number", "word", "array", "object"][: 3 if depth > 3 else 5]
    match seed.choice(kinds):
        case "text":
            return "".join(seed.choice('a"\\é😀\n/ {}[],:') for _ in range(seed.randrange(12)))
        case "number":
            return seed.choice([0, -1, 1.5, 1e300, 1 << 80])
        case "word":
            return seed.choice([None, True, False])
        case "array":
            return [value(seed, depth + 1) for _ in range(seed.randrange(4))]
    return {str(at): value(seed, depth + 1) for at in range(seed.randrange(4))}


def is_refused(text: str) -> bool:
    """Whether neither way of reading takes it."""
    for read in (lambda text: run(mostly_text(text)), lambda text: definitions.run(in_pieces(text))):
        try:
            read(text)
        except ValueError:
            continue
        return False
    return True


def test_long_json_is_read_as_any_other() -> None:
    first = first_seed()
    print("seed", first)
    for number in range(first, first + 300):
        seed = random.Random(number)
        made = {f"{at}\n": value(seed) for at in range(seed.randrange(1, 6))}
        text = json.dumps(made, ensure_ascii=seed.random() < 0.5, indent=seed.choice([None, 1]))
        assert run(mostly_text(text)) == made
        assert definitions.run(in_pieces(f" {text} ")) == made
        cut = text[: seed.randrange(len(text))]
        for broken in (cut, text + "x", text + ",", f"{{{text[1:-1]},}}", f"[{text}]"):
            assert is_refused(broken), broken


@pytest.mark.parametrize("text", ['{"a":NaN}', '{"a":[1e999]}', '{"a":"\\ud800"}', '{"a":["\\ud800"]}', '{"a":"\n"}'])
def test_long_json_is_as_strict(text: str) -> None:
    assert is_refused(text)


def test_long_arrays_are_read_in_many_steps() -> None:
    text = json.dumps({"queues": [{"name": "q"}] * 5000})
    assert sum(1 for _ in in_pieces(text)) >= 50


def test_a_long_text_is_read_in_pieces_that_cut_no_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("menura.management.http.long_json.PIECE_CHARACTERS", 40)
    print("seed", seed := first_seed())
    random_ = random.Random(seed)
    yields = 0
    for _ in range(500):
        pieces = ["x" * 20, "\\", '"', "\n", "é", "😀", "/", "abc"]
        text = "".join(random_.choices(pieces, [9, 1, 1, 1, 1, 1, 1, 9], k=random_.randrange(60)))
        said = json.dumps({"a": text, "b": [text[:10]]}, ensure_ascii=random_.random() < 0.5)
        work = mostly_text(said)
        yields += sum(1 for _ in work)
        assert run(mostly_text(said)) == {"a": text, "b": [text[:10]]}
        cut = said[: random_.randrange(len(said))]
        with pytest.raises(ValueError):  # noqa: PT011  # of whatever kind
            run(mostly_text(cut))
    assert yields > 500


@pytest.mark.parametrize("wrong", ["\x00", "\\", '\\ud83d"', "\\x", '"', "\n"])
def test_what_is_wrong_far_inside_a_long_text_is_refused(wrong: str) -> None:
    for before in ("x" * 300_000, "\\n" * 150_000):
        with pytest.raises(ValueError):  # noqa: PT011  # of whatever kind
            run(mostly_text('{"a": "' + before + wrong + "x" * 300_000 + '"}'))
    assert run(mostly_text('{"a": "' + "\\\\" * 300_000 + '"}')) == {"a": "\\" * 300_000}


def test_what_is_long_has_to_be_text() -> None:
    assert len(run(mostly_text(json.dumps({"payload": "x" * OTHERS_MAX * 2, "n": 1})))["payload"]) == OTHERS_MAX * 2
    for much in ({"a": [0] * OTHERS_MAX}, {"a": [0] * (OTHERS_MAX // 5), "b": [0] * (OTHERS_MAX // 5)}):
        with pytest.raises(TooMuch):
            run(mostly_text(json.dumps(much)))
    with pytest.raises(TooMuch):
        run(mostly_text(json.dumps(dict.fromkeys(map(str, range(1000))))))


def test_a_body_of_very_many_values_is_not_read(api: Client, unique: str) -> None:
    path = f"/queues/%2F/{unique}"
    answer = api.ask("PUT", path, raw=b'{"arguments":{"a":[' + b"{}," * 1_000_000 + b"{}]}}")
    assert answer.status == 413
    assert "only texts may be longer" in answer.json["reason"]
    assert api.ask("PUT", path, raw=b"[" * SHORT_BYTES * 2).status == 400
    assert api.get(path).status == 404


# -- long answers ------------------------------------------------------------------------------------------------


def test_only_answers_of_a_bounded_length_are_followed(api: Client, unique: str) -> None:
    path = f"/global-parameters/{unique}"
    assert api.put(path, {"value": "x" * ANSWER_BYTES_MAX}).status == 201
    connection = HTTPConnection(api.host, api.port, timeout=20)
    try:
        connection.request("GET", f"/api/menura/live?of=/api{path}", headers=api.login)
        answer = connection.getresponse()
        said = json.loads(answer.readline().removeprefix(b"data: "))
    finally:
        connection.close()
        api.delete(path)
    assert said["status"] == 400
    assert "too long to be followed" in said["body"]["reason"]


# -- large numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["memory-watermark", "disk-free-limit"])
@pytest.mark.parametrize("amount", [-1, 1 << 63, 10**400, 1.5, True, "1"])
def test_an_amount_of_octets_is_one_that_a_machine_can_count(what: str, amount: Any, api: Client) -> None:
    before = api.get("/menura/node").json
    assert api.post(f"/menura/node/{what}", {"bytes": amount}).status == 400
    after = api.get("/menura/node").json
    for name in ("memory_watermark_bytes", "disk_free_bytes_min", "alarms"):
        assert after[name] == before[name]


# -- crashes -----------------------------------------------------------------------------------------------------


def waiting_after_a_crash(directory: Path) -> list[str]:
    """What a broker finds that comes up with the files as they are now."""
    copy = directory.with_name("copy")
    shutil.copytree(directory, copy, ignore=shutil.ignore_patterns("*.sock", "lock"))
    with menura.Broker(listen=["http://127.0.0.1:0"], data=str(copy)) as broker:
        answer = Client(http_port(broker)).post("/menura/queues/%2F/kept/peek")
        return [message["payload"] for message in answer.json["messages"]]


GONE = {
    "purged": ("DELETE", "/queues/%2F/kept/contents", None),
    "taken": ("POST", "/queues/%2F/kept/get", {"count": 9, "ackmode": "ack_requeue_false", "encoding": "auto"}),
    "rejected": ("POST", "/queues/%2F/kept/get", {"count": 9, "ackmode": "reject_requeue_false", "encoding": "auto"}),
    "deleted": ("POST", "/menura/queues/%2F/kept/delete", {}),
}


@pytest.mark.parametrize("how", GONE)
def test_messages_that_are_gone_stay_gone_after_a_crash(how: str, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    message = {"routing_key": "kept", "payload_encoding": "string", "properties": {"delivery_mode": 2}}
    with menura.Broker(listen=["http://127.0.0.1:0"], data=str(directory)) as broker:
        api = Client(http_port(broker))
        assert api.put("/queues/%2F/kept", {"durable": True}).status == 201
        for payload in ("one", "two"):
            assert api.post("/exchanges/%2F/amq.default/publish", {**message, "payload": payload}).status == 200
        method, path, body = GONE[how]
        assert api.ask(method, path, body).status in (200, 204)
        assert waiting_after_a_crash(directory) == []
