"""What is in `deploy/` holds: files parse, what they call exists, what they set is a setting."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from menura.cli import main
from menura.configuration.layers import gather
from menura.configuration.settings import VARIABLES
from menura.net.listener import Address
from menura.voices import STANDARD_PORTS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNIT = (DEPLOY / "systemd" / "menura.service").read_text(encoding="utf-8")
CONTAINER = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
OBJECTS = {
    found["kind"]: found
    for found in yaml.safe_load_all((DEPLOY / "kubernetes" / "menura.yaml").read_text(encoding="utf-8"))
}
POD = OBJECTS["StatefulSet"]["spec"]["template"]["spec"]
BROKER = POD["containers"][0]


def check_command(arguments: list[str]) -> None:
    """It is a command of ours with options that it has. Nothing is run."""
    assert arguments[0].rpartition("/")[2] == "menura"
    command: click.Command = main
    context = click.Context(main, info_name="menura")
    rest = list(arguments[1:])
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None, name
        command, context = found, click.Context(found, parent=context, info_name=name)
    command.make_context(str(context.info_name), rest, resilient_parsing=False)


def passwords_here(text: str, folder: Path) -> str:
    """Settings whose files are in this folder, as nobody has made the real ones."""
    (folder / "password").write_text("secret")
    return re.sub(r'(default_password_file = )"[^"]*"', rf'\1"{folder}/password"', text)


def ports(listen: tuple[str, ...]) -> dict[str, int]:
    addresses = [Address.parse(url, STANDARD_PORTS) for url in listen]
    assert {address.host for address in addresses} == {"0.0.0.0"}
    return {address.scheme: address.port for address in addresses}


# -- systemd -----------------------------------------------------------------------------------------------------


def option(name: str) -> str:
    (found,) = re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)
    return str(found)


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze")
    program = tmp_path / "menura"
    program.write_text(f"#!{sys.executable}\n")
    program.chmod(0o755)
    unit = tmp_path / "menura.service"
    unit.write_text(UNIT.replace("/opt/menura/bin/menura", str(program)), encoding="utf-8")
    run = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True)
    assert (run.returncode, [line for line in run.stderr.splitlines() if "menura" in line]) == (0, [])


def test_the_unit_waits_for_what_the_broker_tells_and_reloads_with_its_signal() -> None:
    assert option("Type") == "notify"
    assert option("ExecReload") == "/bin/kill -HUP $MAINPID"
    assert int(option("WatchdogSec")) >= 10
    check_command(shlex.split(option("ExecStart")))
    assert option("Environment").split("=")[0] in VARIABLES


def test_the_settings_beside_the_unit_are_good(tmp_path: Path) -> None:
    path = tmp_path / "menura.toml"
    path.write_text(passwords_here((DEPLOY / "menura.toml").read_text(encoding="utf-8"), tmp_path), encoding="utf-8")
    effective = gather(str(path), environment={})
    assert effective.remarks == []
    assert option("Environment") == f"MENURA_DATA={effective['data']}"
    assert effective["data"] == f"/var/lib/{option('StateDirectory')}"
    assert ports(effective["listen"]).keys() == {"amqps", "mqtts", "stomps", "https"}


# -- the container -----------------------------------------------------------------------------------------------


def instructions() -> Iterator[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", CONTAINER, flags=re.MULTILINE))
    for line in text.splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            yield name, rest.strip()


def test_the_container_file_has_only_instructions_there_are() -> None:
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
             "ENTRYPOINT", "CMD"}  # fmt: skip
    assert {name for name, _ in instructions()} <= known


def test_the_container_gets_files_that_exist_and_sets_what_is_a_setting() -> None:
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            *sources, _ = rest.split()
            assert all((ROOT / source).exists() for source in sources), rest
    (variables,) = [rest for name, rest in instructions() if name == "ENV"]
    values = dict(word.split("=", 1) for word in shlex.split(variables))
    del values["PATH"]
    effective = gather(environment=values)
    assert values.keys() <= VARIABLES.keys()
    (exposed,) = [rest for name, rest in instructions() if name == "EXPOSE"]
    assert set(map(int, exposed.split())) == set(ports(effective["listen"]).values())
    assert ("VOLUME", effective["data"]) in list(instructions())


def test_the_container_runs_commands_there_are_and_not_as_root() -> None:
    found = dict(instructions())
    assert found["USER"] == "10001"
    check_command([*yaml.safe_load(found["ENTRYPOINT"]), *yaml.safe_load(found["CMD"])])
    check_command(yaml.safe_load(found["HEALTHCHECK"].partition("CMD ")[2]))


# -- Kubernetes --------------------------------------------------------------------------------------------------


def test_the_settings_in_the_example_are_good_and_its_ports_are_theirs(tmp_path: Path) -> None:
    path = tmp_path / "menura.toml"
    path.write_text(passwords_here(OBJECTS["ConfigMap"]["data"]["menura.toml"], tmp_path), encoding="utf-8")
    effective = gather(str(path), environment={})
    assert effective.remarks == []
    open_ports = ports(effective["listen"])
    assert {port["name"]: port["containerPort"] for port in BROKER["ports"]} == open_ports
    assert {port["name"]: port["port"] for port in OBJECTS["Service"]["spec"]["ports"]} == open_ports
    assert {port["name"]: port["targetPort"] for port in OBJECTS["Service"]["spec"]["ports"]} == {
        name: name for name in open_ports
    }
    assert {variable["name"]: variable["value"] for variable in BROKER["env"]} == {"MENURA_DATA": effective["data"]}


def test_the_probes_are_commands_and_ports_there_are() -> None:
    names = {port["name"] for port in BROKER["ports"]}
    probes: dict[str, Any] = {name: BROKER[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
    assert probes["startup"]["tcpSocket"]["port"] in names
    for probe in (probes["readiness"], probes["liveness"]):
        check_command(probe["exec"]["command"])
        assert probe["timeoutSeconds"] < probe["periodSeconds"]
    check_command(["menura", *BROKER["args"]])


def test_every_volume_that_is_mounted_exists_and_files_are_where_they_are_read() -> None:
    volumes = {volume["name"] for volume in POD["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in OBJECTS["StatefulSet"]["spec"]["volumeClaimTemplates"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in BROKER["volumeMounts"]}
    assert mounts.keys() == volumes
    text = OBJECTS["ConfigMap"]["data"]["menura.toml"]
    for path in re.findall(r'"(/[^"]+)"', text):
        assert any(path.startswith(f"{mount}/") for mount in mounts.values()), path
    assert OBJECTS["StatefulSet"]["spec"]["replicas"] == 1
