"""The files of the pages: how they are served, and that their texts are there in every language."""

from __future__ import annotations

import gzip
import json
import re

import pytest
from tests.management.http_client import Client
from tests.management.pages.conftest import http_port

import menura
from menura.management.api.pages import FOLDER, TYPES

FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
SCRIPTS = {name: (FOLDER / name).read_text(encoding="utf-8") for name in FILES if name.endswith(".js")}
USED = re.compile(r"""\bt\(\s*"([\w.-]+)"|\bt\([^"`;]*\?\s*"([\w.-]+)"\s*:\s*"([\w.-]+)\"""")
COUNTED = re.compile(r'\btn\(\s*"([\w.-]+)"')
PUT_TOGETHER = re.compile(r"\bt\(\s*`([\w.-]*)\$\{")


def texts(language: str) -> dict[str, str]:
    """The dictionary of a language: each line has a key and a text as JSON writes them."""
    lines = SCRIPTS[f"js/text/{language}.js"].splitlines()
    entries = [line.strip().removesuffix(",") for line in lines if line.startswith('  "')]
    pairs = [json.loads("{" + entry + "}") for entry in entries]
    found = {key: text for pair in pairs for key, text in pair.items()}
    assert len(found) == len(pairs), "a key is there twice"
    return found


@pytest.fixture(scope="module")
def site(broker: menura.Broker) -> Client:
    return Client(http_port(broker), user="", prefix="/")


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served_to_anybody_with_its_type(site: Client, name: str) -> None:
    answer = site.get(name)
    assert (answer.status, answer.headers["content-type"]) == (200, TYPES[FOLDER.joinpath(name).suffix]) or (
        name == "index.html"
    )
    if name != "index.html":
        assert answer.body == (FOLDER / name).read_bytes()


def test_the_page_may_load_nothing_from_elsewhere_nor_make_elements_of_text(site: Client) -> None:
    answer = site.get("")
    assert answer.body == (FOLDER / "index.html").read_bytes()
    policy = answer.headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_a_file_that_has_not_changed_is_not_sent_again(site: Client) -> None:
    tag = site.get("js/main.js").headers["etag"]
    again = site.get("js/main.js", **{"if-none-match": tag})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert site.get("js/main.js", **{"if-none-match": '"other"'}).status == 200


def test_files_are_compressed_for_those_who_can_read_that(site: Client) -> None:
    plain, packed = site.get("js/main.js"), site.get("js/main.js", **{"accept-encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) < len(plain.body)
    assert gzip.decompress(packed.body) == plain.body


@pytest.mark.parametrize(
    "path", ["js/nothing.js", "js/..%2findex.html", "css/%2e%2e", "js/text/..%2fmain.js", "nothing"]
)
def test_nothing_else_is_served(site: Client, path: str) -> None:
    assert site.get(path).status in (401, 404)


def test_no_script_comes_from_elsewhere_and_none_takes_html() -> None:
    for name, source in SCRIPTS.items():
        assert re.findall(r"""(?:\bimport\(|^import .* from |^import )["'`](?!\.)""", source, re.MULTILINE) == [], name
        assert (
            re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", source) == []
        ), name


def test_what_is_loaded_ahead_is_there() -> None:
    named = re.findall(r'(?:href|src)="([^"]+)"', (FOLDER / "index.html").read_text(encoding="utf-8"))
    assert [name for name in named if name not in FILES] == []


def test_every_language_has_the_same_texts_with_the_same_places_for_values() -> None:
    english, chinese = texts("en"), texts("zh")
    assert english.keys() == chinese.keys()

    def places(text: str) -> set[str]:
        return set(re.findall(r"\{\w+\}", text))

    assert [key for key in english if places(english[key]) != places(chinese[key])] == []
    assert [key for key, text in [*english.items(), *chinese.items()] if not text.strip()] == []


def test_no_text_is_missing_and_none_is_left_over() -> None:
    known = texts("en").keys()
    sources = [source for name, source in SCRIPTS.items() if not name.startswith("js/text/")]
    used = {key for source in sources for found in USED.findall(source) for key in found if key}
    used |= {f"{key}.{form}" for source in sources for key in COUNTED.findall(source) for form in ("one", "other")}
    assert used - known == set()
    stems = {stem for source in sources for stem in PUT_TOGETHER.findall(source) if stem}
    stems |= {f"{stem}." for source in sources for stem in re.findall(r'\bword\("([\w.]+)"', source)}
    # Keys that are chosen from elsewhere are named whole somewhere.
    named = {key for key in known if any(f'"{key}"' in source for source in sources)}
    assert [key for key in known - used - named if not key.startswith(tuple(stems))] == []
