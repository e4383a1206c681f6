"""What a policy may say: its keys, their values, and the sentences of those who got it wrong.

All faults of a policy are told together, in the order and the words of RabbitMQ; of a definition only the first fault,
by key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from menura.core.arguments import KEY_BYTES_MAX
from menura.core.errors import PreconditionFailed
from menura.core.patterns import Pattern
from menura.core.settings import OVERFLOWS, RETRIES
from menura.core.terms import Pairs, term

Faults = list[str]
APPLY_TO = ("queues", "classic_queues", "quorum_queues", "streams", "exchanges", "all")
_SEGMENT_BYTES_MAX = 3_000_000_000
_START = "Validation failed\n\n"


def checked(name: str, value: Any, *, operator: bool) -> Pattern:
    """The compiled pattern of a policy whose value is in order. Raises PreconditionFailed for any other."""
    patterns: list[Pattern] = []
    checks: dict[str, Callable[[Any], Faults]] = {
        "priority": _priority,
        "pattern": lambda source: _pattern(source, patterns),
        "apply-to": _apply_to,
        "definition": lambda definition: _definition(name, definition, OPERATOR_KEYS if operator else KEYS),
    }
    require(name, value, checks, optional=("apply-to",))
    return patterns[0]


def require(name: str, value: Any, checks: Mapping[str, Callable[[Any], Faults]], optional: Iterable[str] = ()) -> None:
    """Refuse a parameter with any fault."""
    refuse(faults(name, value, checks, optional))


def refuse(found: Faults) -> None:
    if found:
        raise PreconditionFailed(_START + "".join(fault + "\n" for fault in found))


def reason_of(refusal: PreconditionFailed) -> str:
    """The faults in one line."""
    return "; ".join(str(refusal).removeprefix(_START).splitlines())


def faults(
    name: str, value: Any, checks: Mapping[str, Callable[[Any], Faults]], optional: Iterable[str] = ()
) -> Faults:
    """What is wrong with a parameter: no object, a key too few or too many, or a wrong value."""
    if isinstance(value, list):
        return [f"Unrecognised terms {term(value)} in {name}"]
    if not isinstance(value, Mapping):
        return [f"{name} not a list {term(value)}"]
    found: Faults = []
    for key, check in checks.items():
        if key in value:
            found = check(value[key]) + found
        elif key not in optional:
            found.insert(0, f'Key "{key}" not found in {name}')
    rest = Pairs(sorted((key, item) for key, item in value.items() if key not in checks))
    if rest:
        found.insert(0, f"Unrecognised terms {term(rest)} in {name}")
    return found


def _priority(value: Any) -> Faults:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:  # not a number: not equal
        return []
    return [f"priority should be a number, actually was {term(value)}"]


def _apply_to(value: Any) -> Faults:
    if value in APPLY_TO:
        return []
    shown = value if isinstance(value, str) else term(value)
    return [
        f"apply-to '{shown}' unrecognised; should be one of: 'queues', 'classic_queues', "
        " 'quorum_queues', 'streams', 'exchanges', or 'all'"
    ]


# -- patterns ----------------------------------------------------------------------------------------------------

# What Python says of a faulty expression, what RabbitMQ says, and where it says the fault is: at that character,
# behind the next of these, or (None) at the end.
_WORDINGS: tuple[tuple[str, str, str | None], ...] = (
    ("missing ), unterminated", "missing )", None),
    ("unterminated character set", "missing terminating ] for character class", None),
    ("nothing to repeat", "nothing to repeat", ""),
    ("multiple repeat", "nothing to repeat", ""),
    ("the repetition number is too large", "number too big in {} quantifier", "}"),
    ("min repeat greater", "numbers out of order in {} quantifier", "}"),
    ("bad escape (end of pattern)", r"\\ at end of pattern", None),
    ("bad character range", "range out of order in character class", "-"),
    ("unbalanced parenthesis", "unmatched parentheses", ""),
    ("look-behind requires fixed-width", "lookbehind assertion is not fixed length", ")"),
)


def _pattern(value: Any, patterns: list[Pattern]) -> Faults:
    if not isinstance(value, str):
        return [f"pattern should be a binary but was {term(value)}"]
    try:
        patterns.append(Pattern(value))
    except PreconditionFailed as error:
        fault = error.__cause__
        if fault is None:
            return [str(error)]
        return [_invalid(value, getattr(fault, "msg", str(fault)), getattr(fault, "pos", None) or 0)]
    return []


def _invalid(pattern: str, message: str, position: int) -> str:
    said = message
    for known, wording, behind in _WORDINGS:
        if message.startswith(known):
            said = wording
            if behind is None:
                position = len(pattern)
            elif behind:
                position = pattern.find(behind, position) + (behind == "-")
            break
    start = "pattern should be regular expression but is invalid: "
    # A backslash, which is two already, takes the room of four.
    fits = len(start) + len(said) + said.count("\\") + len(str(position)) + 5 <= 80
    return f'{start}{{"{said}",' + ("" if fits else "\n" + " " * (len(start) + 1)) + f"{position}}}"


# -- definitions -------------------------------------------------------------------------------------------------


def _definition(name: str, value: Any, keys: Mapping[str, tuple[Callable[[Any], bool], str]]) -> Faults:
    if value in ([], {}):
        return ["no policy provided"]
    if isinstance(value, list):
        return [f"definition must be a dictionary: {term(value)}"]
    if not isinstance(value, Mapping):
        return [f"parse error while reading policy {name}: {term(value)}."]
    items = sorted(value.items())
    for key, item in items:
        if key in keys and not keys[key][0](item):
            return [f"{term(item)} is not a valid {keys[key][1]}"]
    unknown = Pairs((key, item) for key, item in items if key not in keys)
    if unknown:
        return [f"{term(unknown)} are not recognised policy settings"]
    return _retry_faults(value)


def _retry_faults(value: Mapping[str, Any]) -> Faults:
    kind, low, high = (value.get(f"delayed-retry-{what}") for what in ("type", "min", "max"))
    if kind in RETRIES and low is None:
        return [f"delayed-retry-min is required when delayed-retry-type is {kind}"]
    if low is not None and high is not None and high < low:
        return [f"delayed-retry-max ({high}) must not be smaller than delayed-retry-min ({low})"]
    return []


def _whole(low: int | None = None, high: int | None = None) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return (low is None or value >= low) and (high is None or value <= high)

    return check


def _one_of(*allowed: Any) -> Callable[[Any], bool]:
    return lambda value: not isinstance(value, bool) and value in allowed


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _name(value: Any) -> bool:
    """Of an exchange, or a routing key: longer ones cannot be used."""
    return isinstance(value, str) and len(value.encode(errors="replace")) <= KEY_BYTES_MAX


def _age(value: Any) -> bool:
    return isinstance(value, str) and value[:-1].isdecimal() and int(value[:-1]) > 0 and value[-1] in "YMDhms"


KEYS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "alternate-exchange": (_name, "alternate exchange name"),
    "consumer-disconnected-timeout": (_whole(0), "consumer disconnected timeout"),
    "consumer-timeout": (_whole(0), "consumer timeout"),
    "dead-letter-exchange": (_name, "dead letter exchange name"),
    "dead-letter-routing-key": (_name, "dead letter routing key"),
    "dead-letter-strategy": (_one_of("at-most-once", "at-least-once"), "dead letter strategy"),
    "delayed-retry-max": (_whole(1), "delayed retry maximum delay. Must be a positive integer"),
    "delayed-retry-min": (_whole(1), "delayed retry minimum delay. Must be a positive integer"),
    "delayed-retry-type": (
        _one_of(*RETRIES, "disabled"),
        "delayed retry type. Must be one of: all, failed, returned, disabled",
    ),
    "delivery-limit": (_whole(), "delivery limit"),
    "expires": (_whole(1), "queue expiry"),
    "initial-cluster-size": (_whole(0), "cluster size"),
    "max-age": (_age, "max age"),
    "max-in-memory-bytes": (_whole(0), "maximum memory in bytes"),
    "max-in-memory-length": (_whole(0), "maximum memory in bytes"),
    "max-length": (_whole(0), "maximum length"),
    "max-length-bytes": (_whole(0), "maximum length in bytes"),
    "member-placement-tag": (
        _text,
        "member-placement-tag value. Must be a non-empty string",
    ),
    "message-ttl": (_whole(0), "message TTL"),
    "overflow": (_one_of(*OVERFLOWS), "overflow value"),
    "queue-leader-locator": (
        _one_of("client-local", "balanced", "random", "least-leaders"),
        "queue leader locator value",
    ),
    "queue-master-locator": (_one_of("min-masters", "client-local", "random"), "queue master locator"),
    "queue-mode": (_one_of("default", "lazy"), "queue-mode value"),
    "queue-version": (_one_of(1, 2), "queue-version value"),
    "stream-filter-size-bytes": (_whole(16, 255), "filter size. Valid range is 16-255"),
    "stream-max-segment-size-bytes": (_whole(0, _SEGMENT_BYTES_MAX), "segment size"),
    "target-group-size": (_whole(1), "qq target count value"),
}
OPERATOR_KEYS = {
    key: KEYS[key]
    for key in (
        "delayed-retry-max", "delayed-retry-min", "delayed-retry-type", "delivery-limit", "expires",
        "max-in-memory-bytes", "max-in-memory-length", "max-length", "max-length-bytes", "member-placement-tag",
        "message-ttl", "overflow", "queue-master-locator", "queue-version", "target-group-size",
    )
}  # fmt: skip
