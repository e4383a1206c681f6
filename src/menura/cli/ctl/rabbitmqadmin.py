"""rabbitmqadmin's own options, and how it tells what went wrong: `-p` is a password there, and every failure is a 1."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from menura.cli.ctl.errors import CtlError, UsageError

_VALUES = {
    "-H": "host",
    "-P": "port",
    "-u": "username",
    "-p": "password",
    "-V": "vhost",
    "-U": "base-uri",
    "-t": "timeout",
    "-f": "format",
    "-S": "sort",
    "-d": "depth",
    "-c": "config",
    "-N": "node",
    "--path-prefix": "path-prefix",
    "--request-timeout": "timeout",
    "--ssl-key-file": "key",
    "--ssl-cert-file": "cert",
    "--ssl-ca-cert-file": "ca",
    **{f"--{name}": name for name in ("host", "port", "username", "password", "vhost", "base-uri", "format", "sort")},
    **{f"--{name}": name for name in ("depth", "config", "node", "url", "data")},
}
_FLAGS = {
    "-s": "ssl",
    "--ssl": "ssl",
    "-k": "insecure",
    "--ssl-insecure": "insecure",
    "--ssl-disable-hostname-verification": "insecure",
    "-R": "sort-reverse",
    "--sort-reverse": "sort-reverse",
    "-q": "quiet",
    "--quiet": "quiet",
    "-h": "help",
    "--help": "help",
    "--version": "version",
}
_KEPT = ("vhost", "timeout", "format", "sort", "depth", "url", "data")
_FILES = ("ca", "cert", "key")
_PLACES = ("host", "port", "username", "password", "base-uri", "ssl", "insecure", *_FILES)
FAILED = 1


def as_ctl(words: Sequence[str]) -> list[str]:
    """The same command in the options of `menura ctl`. Options come before the verb, and may come later."""
    given: dict[str, str] = {}
    rest: list[str] = []
    flags: list[str] = []
    waiting = iter(words)
    for word in waiting:
        name, equals, value = word.partition("=")
        if word in _FLAGS:
            flags.append(_FLAGS[word])
        elif name in _VALUES and (equals or name == word):
            given[_VALUES[name]] = value if equals else next(waiting, "")
        else:
            rest.append(word)
    if "version" in flags:
        return ["version"]
    options = [f"--{name}={given[name]}" for name in _KEPT if name in given]
    options += [f"--{name}" for name in ("quiet", "sort-reverse", "help") if name in flags]
    if set(_PLACES) & {*given, *flags}:
        options.append(f"--url={_url(given, flags)}")
    return rest[:1] + options + rest[1:] if rest else ["help"]


def _url(given: dict[str, str], flags: list[str]) -> str:
    base = urlsplit(given["base-uri"]) if "base-uri" in given else None
    scheme = base.scheme if base is not None else "https" if "ssl" in flags else "http"
    place = base.netloc.rpartition("@")[2] if base is not None else _place(given, scheme)
    login = f"{quote(given.get('username', 'guest'), '')}:{quote(given.get('password', 'guest'), '')}"
    files = [f"{name}={quote(given[name])}" for name in _FILES if name in given]
    query = "&".join([*files, *(["insecure=1"] if "insecure" in flags else [])])
    return f"{scheme}://{login}@{place}" + (f"/?{query}" if query else "")


def _place(given: dict[str, str], scheme: str) -> str:
    host = given.get("host", "localhost")
    return f"{f'[{host}]' if ':' in host else host}:{given.get('port', '15671' if scheme == 'https' else '15672')}"


def told(error: CtlError) -> str:
    if isinstance(error, UsageError):
        return f"\nERROR: {error.text}\n\nrabbitmqadmin --help for help\n\n"
    return f"*** {error.text}\n\n"
