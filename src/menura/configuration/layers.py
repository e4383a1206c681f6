"""Settings from several sources, one over the other; each remembers where its value came from.

The order is: defaults, the file, the environment, options of the command line. The file is the one that is named
(`--config`, or `MENURA_CONFIG`), or else `menura.toml` in the working directory, if there is one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from menura.config import Config
from menura.configuration import rabbitmq, toml
from menura.configuration.problems import ConfigurationError, Remark, unknown
from menura.configuration.settings import SETTINGS, VARIABLES

FILE_NAME = "menura.toml"
FILE_VARIABLE = "MENURA_CONFIG"
# Not of settings: what Kubernetes tells of a service called menura, and what programs of ours read.
_FOREIGN = ("MENURA_SERVICE_", "MENURA_PORT", "MENURA_PASSWORD", "MENURA_FUZZ_", "MENURA_URL", FILE_VARIABLE)


class Value(NamedTuple):
    value: Any
    origin: str


class Said(NamedTuple):
    """One thing that a source says, as it stands there."""

    key: str
    raw: Any
    source: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Effective:
    """All settings. `remarks` are about what a source has and nobody uses."""

    values: dict[str, Value]
    file: str
    remarks: list[Remark]

    def __getitem__(self, key: str) -> Any:
        return self.values[key].value

    def config(self) -> Config:
        """What the broker gets of it."""
        fields: dict[str, Any] = {setting.field: self[key] for key, setting in SETTINGS.items() if setting.field}
        return Config(**fields)


def gather(
    file: str | None = None,
    options: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Effective:
    """The settings that hold. `options` by key; None stands for one that was not given. Raises ConfigurationError."""
    environment = os.environ if environment is None else environment
    path = file or environment.get(FILE_VARIABLE) or (FILE_NAME if Path(FILE_NAME).is_file() else "")
    remarks: list[Remark] = []
    said = [*_of_file(path, remarks), *_of_environment(environment, remarks)]
    for key, raw in (options or {}).items():
        if raw is not None:
            said.append(Said(key, raw, f"--{key.replace('.', '-').replace('_', '-')}"))
    values = {key: Value(setting.default, "default") for key, setting in SETTINGS.items()}
    wrong = _take(values, said)
    if not wrong:
        wrong = _read_password(values)
    if wrong:
        raise ConfigurationError(wrong)
    return Effective(values, path, remarks)


def _of_file(path: str, remarks: list[Remark]) -> Iterable[Said]:
    if not path:
        return []
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        raise ConfigurationError([Remark(path, 0, "", f"cannot be read: {reason}")]) from None
    if path.endswith(".conf"):
        found, unused = rabbitmq.read(text)
        remarks += [Remark(path, line, key, f"ignored: {reason}") for line, key, reason in unused]
    else:
        try:
            found = toml.read(text)
        except toml.SyntaxProblem as problem:
            raise ConfigurationError([Remark(path, problem.line, "", str(problem))]) from None
    return [Said(key, raw, path, line) for line, key, raw in found]


def _of_environment(environment: Mapping[str, str], remarks: list[Remark]) -> Iterable[Said]:
    for name in sorted(environment):
        if name in VARIABLES:
            yield Said(VARIABLES[name].key, environment[name], name)
        elif name.startswith("MENURA_") and not name.startswith(_FOREIGN):
            remarks.append(Remark(name, 0, "", "ignored: there is no setting for this variable"))


def _take(values: dict[str, Value], said: Iterable[Said]) -> list[Remark]:
    """Put what was said over what there is; what is wrong with it."""
    wrong = []
    for key, raw, source, line in said:
        setting = SETTINGS.get(key)
        if setting is None:
            wrong.append(Remark(source, line, key, unknown(key)))
            continue
        try:
            value = setting.kind.read(raw)
        except ValueError as error:
            shown = "" if setting.secret else f", not {raw!r}"
            wrong.append(Remark(source, line, key, f"{error}{shown}"))
        else:
            values[key] = Value(value, f"{source}:{line}" if line else source)
    return wrong


def _read_password(values: dict[str, Value]) -> list[Remark]:
    """Take the password of the first user out of its own file, if there is one."""
    path, origin = values["default_password_file"]
    if not path:
        return []
    try:
        password = Path(path).read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text in UTF-8"
        return [Remark(origin, 0, "default_password_file", f"{path} cannot be read: {reason}")]
    values["default_password"] = Value(password, path)
    return []
