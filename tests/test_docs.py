"""The documents keep up with the code, and their examples run.

Tables in the documents are read as data and compared with what they describe: options of the command line, settings,
limits, methods, reply codes, queue arguments. Each Python block is run as it stands, but for the port of the standard
address, which gets the one of a broker made for the test; a block with tests in it is run by pytest.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import menura
from menura.cli import COMMANDS
from menura.cli.serve import serve
from menura.configuration.settings import SETTINGS
from menura.configuration.toml import quoted
from menura.core.arguments import QUEUE_ARGUMENTS
from menura.core.exchanges import KINDS
from menura.core.policy_rules import KEYS, OPERATOR_KEYS
from menura.logs.limiting import CHURN
from menura.net.certificates import TLS_KEYS
from menura.protocols.amqp.channel import METHODS as HANDLERS
from menura.protocols.amqp.handshake import CAPABILITIES
from menura.protocols.amqp.limits import AmqpLimits
from menura.protocols.amqp.spec import METHODS, REPLY_CODES
from menura.voices import STANDARD_PORTS

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CONTRACT = ROOT / "docs" / "protocols" / "amqp.md"
OPERATING = ROOT / "docs" / "operating.md"
STANDARD_ADDRESS = "127.0.0.1:5672"
LINE_LENGTH_MAX = 120
EXAMPLE_SECONDS_MAX = 50


def name_of(document: Path) -> str:
    return str(document.relative_to(ROOT))


def table(document: Path, first_column: str) -> dict[str, list[str]]:
    """The table whose first heading begins with `first_column`: first cell (less its backticks) to the other cells."""
    rows: dict[str, list[str]] = {}
    inside = False
    for line in document.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if inside and not set(line) <= set("|-"):
            assert cells[0] not in rows, f"{cells[0]} twice"
            rows[cells[0].strip("`")] = cells[1:]
        inside = inside or cells[0].startswith(first_column)
    assert rows, f"no table of {first_column} in {document}"
    return rows


# -- what the tables are about -----------------------------------------------------------------------------------


def test_every_option_of_serve_is_documented() -> None:
    rows = {row.split()[0]: cells for row, cells in table(OPERATING, "option").items()}
    options = {option.opts[0]: option for option in serve.params}
    assert rows.keys() == options.keys()


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_is_documented(command: str) -> None:
    assert f"`menura {command}`" in OPERATING.read_text(encoding="utf-8")


def test_every_setting_is_documented_with_its_default() -> None:
    documented = table(OPERATING, "setting")
    assert documented.keys() == SETTINGS.keys()
    for key, setting in SETTINGS.items():
        field, default, reload, meaning = documented[key]
        assert field == (f"`{setting.field}`" if setting.field else "-"), key
        shown = quoted(setting.kind.show(setting.default))
        assert default == ("see [above](#listen-urls)" if key == "listen" else f"`{shown}`"), key
        assert reload == ("yes" if setting.live else "no"), key
        assert meaning == setting.meaning, key


def test_everything_that_a_broker_can_be_told_is_a_setting() -> None:
    assert {field.name for field in fields(menura.Config)} == {
        setting.field for setting in SETTINGS.values() if setting.field
    }


def test_the_standard_listeners_are_documented() -> None:
    documented = {
        scheme for schemes in table(OPERATING, "scheme") for scheme in schemes.replace("`", "").split(", ")
    }
    assert documented == STANDARD_PORTS.keys()


def test_every_tls_setting_is_documented() -> None:
    assert table(OPERATING, "TLS setting").keys() == TLS_KEYS


def test_every_kind_of_event_that_sessions_log_is_documented() -> None:
    documented = {event for events in table(OPERATING, "event") for event in events.replace("`", "").split(", ")}
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    logged = set(re.findall(r"""log\(.*?, "([a-z]+\.[a-z]+)"\)""", source)) | set(CHURN)
    logged |= set(re.findall(r"""\{"event": "([a-z.]+)", "fields\"""", source))
    assert len(logged) > 10
    assert logged <= documented


def test_every_key_of_a_policy_is_documented_and_those_that_operators_may_not_set() -> None:
    rows = table(OPERATING, "key of a policy")
    found = {key.strip("`"): cells for keys, cells in rows.items() for key in keys.split("`, `")}
    (idle,) = re.findall(r"These keys are accepted and mean nothing here:(.*?)\n\n", OPERATING.read_text(), re.DOTALL)
    assert found.keys() | set(re.findall("`([a-z-]+)`", idle)) == KEYS.keys()
    assert {key for key, cells in found.items() if "no operator key" in cells[1]} == found.keys() - OPERATOR_KEYS.keys()


def test_every_limit_of_a_connection_is_documented_with_its_default() -> None:
    documented = {name: cells[0] for name, cells in table(CONTRACT, "limit").items()}
    assert documented == {limit.name: f"`{limit.default}`" for limit in fields(AmqpLimits)}


def test_every_method_is_documented_with_its_ids() -> None:
    documented = {name: cells[0] for name, cells in table(CONTRACT, "method").items()}
    assert documented == {method.name: f"{method.ids[0]}.{method.ids[1]}" for method in METHODS}


def test_methods_are_documented_as_supported_if_and_only_if_they_are() -> None:
    rows = table(CONTRACT, "method")
    assert {cells[2] for cells in rows.values()} == {"yes", "partly", "no"}
    of_a_channel = {
        name
        for name, (_, sender, supported, _) in rows.items()
        if sender in ("client", "both") and supported != "no" and not name.startswith(("connection.", "channel."))
    }
    assert of_a_channel == HANDLERS.keys() - {"channel.flow"}
    assert [name for name, cells in rows.items() if cells[2] == "partly" and not cells[3]] == []


def test_every_reply_code_is_documented_with_its_scope() -> None:
    documented = {int(code): cells[:2] for code, cells in table(CONTRACT, "code").items()}
    scopes = {False: "channel", True: "connection"}
    assert documented == {reply.code: [f"`{reply.name}`", scopes[reply.hard]] for reply in REPLY_CODES}


def test_every_queue_argument_is_documented() -> None:
    known = {name for arguments in QUEUE_ARGUMENTS.values() for name in arguments}
    assert table(CONTRACT, "argument").keys() == known


@pytest.mark.parametrize("word", [*CAPABILITIES, *KINDS])
def test_capabilities_and_exchange_types_are_documented(word: str) -> None:
    assert f"`{word}`" in CONTRACT.read_text(encoding="utf-8")


# -- examples ----------------------------------------------------------------------------------------------------


def blocks_of(document: Path) -> list[str]:
    text = document.read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def examples() -> list[object]:
    return [
        pytest.param(block, id=f"{name_of(document)}-{at}")
        for document in DOCUMENTS
        for at, block in enumerate(blocks_of(document), 1)
    ]


@pytest.mark.parametrize("source", examples())
def test_an_example_runs_as_it_stands(source: str, amqp_port: int, tmp_path: Path) -> None:
    run_example(source, amqp_port, tmp_path)


def test_the_first_example_prints_the_message_it_sent(amqp_port: int, tmp_path: Path) -> None:
    (source,) = [block for block in blocks_of(ROOT / "README.md") if STANDARD_ADDRESS in block]
    assert run_example(source, amqp_port, tmp_path) == "b'hello'\n"


def run_example(source: str, amqp_port: int, directory: Path) -> str:
    """What it prints. It must succeed; pytest fails, too, if it finds no test to run."""
    file = directory / "test_example.py"
    file.write_text(source.replace(STANDARD_ADDRESS, f"127.0.0.1:{amqp_port}"), encoding="utf-8")
    by_pytest = ["-m", "pytest", "-p", "no:cacheprovider"] if "\ndef test_" in source else []
    command = [sys.executable, *by_pytest, str(file)]
    run = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=EXAMPLE_SECONDS_MAX)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.fixture
def amqp_port() -> Iterator[int]:
    with menura.Broker() as broker:
        yield broker.amqp_port


def test_the_readme_shows_the_fixture_and_the_context_manager() -> None:
    blocks = blocks_of(ROOT / "README.md")
    assert [block for block in blocks if "(menura_broker):" in block]
    assert [block for block in blocks if "with menura.Broker()" in block]


# -- links and names ---------------------------------------------------------------------------------------------


def links() -> list[object]:
    found = []
    for document in DOCUMENTS:
        for target in sorted(set(re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8")))):
            if not target.startswith("https://"):
                found.append(pytest.param(document, target, id=f"{name_of(document)} to {target}"))
    return found


@pytest.mark.parametrize(("document", "target"), links())
def test_a_link_leads_somewhere(document: Path, target: str) -> None:
    file, _, anchor = target.partition("#")
    aim = (document.parent / file).resolve() if file else document
    assert aim.exists()
    assert not anchor or anchor in anchors(aim)


def anchors(document: Path) -> set[str]:
    """Headings as addresses: lower case, hyphens for spaces, nothing else but letters and digits."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}


def test_every_file_that_a_document_names_exists() -> None:
    places = [ROOT, ROOT / "deploy", ROOT / "src" / "menura", ROOT / "src" / "menura" / "protocols" / "amqp"]
    named = [
        (name_of(document), file)
        for document in DOCUMENTS
        for file in re.findall(r"`([\w./-]+\.(?:py|toml|md))`", document.read_text(encoding="utf-8"))
    ]
    assert ("ARCHITECTURE.md", "core/queue.py") in named
    assert [(document, file) for document, file in named if not any((place / file).exists() for place in places)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_lines_are_no_longer_than_those_of_the_source(document: Path) -> None:
    lines = document.read_text(encoding="utf-8").splitlines()
    assert [at for at, line in enumerate(lines, 1) if len(line) > LINE_LENGTH_MAX] == []
