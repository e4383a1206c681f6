"""Topics and filters, and the routing keys and patterns they are in the core.

Levels and words change their separators: a '/' in a topic is a '.' in the key, and a '.' a '/'. As the two are
exchanged, every topic has a key of its own and every key its topic: "a/b.c" and "a.b/c", empty levels included. In
filters '+' becomes '*'. What is left is a level "*", which is no wildcard in a topic but one in a pattern: it becomes
the word "\\*", and a level of backslashes before a '*' gets one more.

Topics that begin with '$' are not for filters that begin with a wildcard (section 4.7.2).
"""

from __future__ import annotations

from typing import NamedTuple

_EXCHANGED = str.maketrans("/.", "./")
SHARE = "$share/"
EXCHANGE = "amq.topic"


def is_topic(topic: str) -> bool:
    """Whether messages can be published to it (section 4.7.3)."""
    return bool(topic) and "+" not in topic and "#" not in topic and "\0" not in topic


def is_filter(filter: str) -> bool:
    """Whether it can be subscribed to (section 4.7.1)."""
    if not filter or "\0" in filter:
        return False
    if "+" not in filter and "#" not in filter:
        return True
    *above, last = filter.split("/")
    if any("#" in level or ("+" in level and level != "+") for level in above):
        return False
    return last in ("#", "+") or ("#" not in last and "+" not in last)


def key_of(topic: str) -> str:
    key = topic.translate(_EXCHANGED)
    return _words(key) if "*" in key else key


def pattern_of(filter: str) -> str:
    key = key_of(filter)
    if "+" not in key:
        return key
    return ".".join(["*" if word == "+" else word for word in key.split(".")])


def topic_of(key: str) -> str:
    """What `key_of` made a key of."""
    if "*" in key:
        key = ".".join([word[1:] if _starred(word) and len(word) > 1 else word for word in key.split(".")])
    return key.translate(_EXCHANGED)


def filter_of(pattern: str) -> str:
    """What `pattern_of` made a pattern of."""
    words = ["+" if word == "*" else word for word in pattern.split(".")]
    return topic_of(".".join(words))


def hidden(key: str, pattern: str) -> bool:
    """Whether a key that matches the pattern has to be kept from it all the same."""
    return key.startswith("$") and pattern[:1] in ("*", "#") and pattern[1:2] in ("", ".")


def _words(key: str) -> str:
    return ".".join(["\\" + word if _starred(word) else word for word in key.split(".")])


def _starred(word: str) -> bool:
    """A '*' behind nothing but backslashes."""
    return word.endswith("*") and not word[:-1].strip("\\")


class Share(NamedTuple):
    """A shared subscription (section 4.8.2): `name` is the group's."""

    name: str
    filter: str


def share_of(filter: str) -> Share | None:
    """The group and the filter of "$share/group/filter"; None for any other filter.

    A filter that begins so and is not well formed gives an empty filter, which is none.
    """
    if not filter.startswith(SHARE):
        return None
    name, slash, rest = filter[len(SHARE) :].partition("/")
    if not name or not slash or "+" in name or "#" in name:
        return Share(name, "")
    return Share(name, rest)
