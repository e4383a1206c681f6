"""Regular expressions from outside, searched for in names in a time that has a bound.

An engine that backtracks can be kept busy for ever by an expression such as `(a+)+$`. `matching` follows all ways
through an expression at once, and what it is given here are its parts. Only whether there is a match counts, so greedy,
lazy and captures make no difference; lookahead, lookbehind and word boundaries do what they do elsewhere. What needs
memory of the text found (a reference back to a group) or of the way taken (atomic groups) is refused. A search that
takes too much work finds nothing, which is what RabbitMQ's limit does.

Most expressions in use are plain enough to be safe with Python's `re`, which is ten times as fast: those where what
repeats are single characters and few of them, and no longer names. `_Parser.ways` is how they are told.

The dialect is that of Perl on octets: classes are those of ASCII, `\\z` and `[[:alpha:]]` are known.
"""

from __future__ import annotations

import re

from menura.core.errors import PreconditionFailed
from menura.core.matching import AROUND, Part, Subject, TooLong, any_number, edge, either, one, repeat, sequence

LENGTH_MAX = 1024
NESTED_MAX = 60
# A name is at most this long; routing keys of some protocols are longer.
_NAME_MAX = 255
# Ways through an expression up to which backtracking is no danger.
_WAYS_MAX = 70_000

_TOKEN = re.compile(
    r"""
      (?P<comment> \(\?\#[^)]*\) )
    | (?P<open> \( (?: \?: | \?<?[=!] | \?P?<\w+> | \?'\w+' | \?[ims]+[:)] )? )(?!\?)
    | (?P<close> \) )
    | (?P<or> \| )
    | (?P<repeat> (?: [*+?] | \{ (?P<low>[0-9]+) (?P<to>,(?P<high>[0-9]*))? \} ) (?P<lazy>[?+]?) )
    | (?P<edge> [\^$] | \\[AzZbB] )
    | (?P<one> \[\^?\]? (?: \[:\w+:\] | \\. | [^\]\\] )* \] | \\x[0-9a-fA-F]{2} | \\. | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r"\s",
    "word": r"\w", "xdigit": "0-9a-fA-F", "punct": r"!-/:-@\[-`{-~", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f",
}  # fmt: skip
# What means something else to `re`, or nothing.
_TRANSLATED = {r"\z": r"\Z", r"\Z": "$", r"\h": r"[ \t]"}
_FLAGS = {"i": re.IGNORECASE, "s": re.DOTALL, "m": re.MULTILINE}


class Pattern:
    """A compiled expression. Raises PreconditionFailed for one that is not valid."""

    __slots__ = ("_everywhere", "_fast", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        if len(source.encode(errors="surrogatepass")) > LENGTH_MAX:
            raise PreconditionFailed(f"pattern must not exceed {LENGTH_MAX} bytes")
        try:
            parser = _Parser(source)
            compiled = re.compile("".join(parser.translated), re.ASCII)
        except (re.error, OverflowError) as error:
            raise PreconditionFailed(f"invalid regular expression '{source}': {error}") from error
        self._everywhere = parser.root
        self._fast = compiled.search if parser.ways <= _WAYS_MAX else None

    def search(self, text: str) -> bool:
        """Whether the expression matches anywhere in the text."""
        if self._fast is not None and len(text) <= _NAME_MAX:
            return self._fast(text) is not None
        subject = Subject(text)
        try:
            return self._everywhere(subject, subject.all) != 0
        except TooLong:
            return False

    def __repr__(self) -> str:
        return f"Pattern({self.source!r})"


def escaped(text: str) -> str:
    """A text as an expression that matches it and nothing else."""
    return re.escape(text)


# -- the parser --------------------------------------------------------------------------------------------------


class _Parser:
    """Reads an expression once: into parts, and into the words of `re`.

    `ways` bounds the number of ways an engine that backtracks can take through the expression in a name: each
    repetition multiplies it by the length of the name, and one within another goes beyond any bound.
    """

    def __init__(self, source: str) -> None:
        self._tokens = list(_TOKEN.finditer(source))
        self._next = 0
        self._depth = 0
        self._anchored = source.startswith(("^", r"\A"))
        self.translated: list[str] = []
        self.ways = 1
        self.root = self._alternatives(re.RegexFlag(0))
        if self._next < len(self._tokens):
            raise re.error("unbalanced parenthesis", source, self._tokens[self._next].start())
        if not self._anchored:
            self.ways *= _NAME_MAX

    def _alternatives(self, flags: re.RegexFlag) -> Part:
        alternatives: list[Part] = []
        while True:
            part, flags = self._sequence(flags)
            alternatives.append(part)
            token = self._peek()
            if token is None or token.lastgroup != "or":
                return either(alternatives)
            self.ways *= 2
            self._anchored = self._anchored and self._depth > 0
            self._take(token)

    def _sequence(self, flags: re.RegexFlag) -> tuple[Part, re.RegexFlag]:
        parts: list[Part] = []
        while (token := self._peek()) is not None and token.lastgroup not in ("or", "close"):
            kind, text = token.lastgroup, token.group()
            if kind == "comment":
                self._next += 1
                continue
            if kind == "open" and text.endswith(")"):
                flags = self._set_flags(token, flags)
                continue
            if kind == "repeat":
                raise re.error("nothing to repeat", token.string, token.start())
            if kind == "open":
                parts.append(self._repeated(self._group(token, flags)))
                continue
            what = self._single(token, flags)
            parts.append(edge(what) if kind == "edge" else self._repeated(one(what), what))
        return sequence(parts), flags

    def _single(self, token: re.Match[str], flags: re.RegexFlag) -> re.Pattern[str]:
        text = _translate(token.group())
        if text == "(":
            raise re.error("unrecognized character after (? or (?-", token.string, token.start())
        if re.match(r"\\[0-9]", text):
            raise re.error("references to groups are not supported", token.string, token.start())
        self._take(token, text)
        try:
            return re.compile(text, flags | re.ASCII)
        except re.error as error:
            raise re.error(error.msg, token.string, token.start()) from None

    def _group(self, token: re.Match[str], flags: re.RegexFlag) -> Part:
        text = token.group()
        self._depth += 1
        if self._depth > NESTED_MAX:
            raise re.error("parentheses are too deeply nested", token.string, token.start())
        self._take(token, text if text in AROUND or text.endswith(":") else "(?:")
        if text.endswith(":"):
            flags |= _flags(text)
        inner = self._alternatives(flags)
        closing = self._peek()
        if closing is None:
            raise re.error("missing ), unterminated subpattern", token.string, token.start())
        self._take(closing)
        self._depth -= 1
        if text in AROUND:
            around, wanted = AROUND[text]
            return around(inner, wanted)
        return inner

    def _set_flags(self, token: re.Match[str], flags: re.RegexFlag) -> re.RegexFlag:
        """From here to the end of the group, which `re` allows at the beginning only."""
        if self._next:
            self.ways = _WAYS_MAX + 1
            self._next += 1
        else:
            self._take(token)
        return flags | _flags(token.group())

    def _repeated(self, part: Part, what: re.Pattern[str] | None = None) -> Part:
        """What follows once, or as often as it says behind it; `what` if it is a single character."""
        token = self._peek()
        if token is None or token.lastgroup != "repeat":
            return part
        if token["lazy"] == "+":
            raise re.error("possessive quantifiers are not supported", token.string, token.start())
        self._take(token)
        following = self._peek()
        if following is not None and following.lastgroup == "repeat":
            raise re.error("multiple repeat", token.string, following.start())
        low, high = _bounds(token)
        if what is None and high != 1:
            self.ways = _WAYS_MAX + 1
        else:
            self.ways *= _NAME_MAX if high is None else min(high - low + 1, _NAME_MAX)
        if what is not None and high is None:
            return any_number(what, low)
        return repeat(part, low, high)

    def _peek(self) -> re.Match[str] | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self, token: re.Match[str], translated: str | None = None) -> None:
        self._next += 1
        self.translated.append(token.group() if translated is None else translated)


def _translate(text: str) -> str:
    if not text.startswith("[") or len(text) == 1:
        return _TRANSLATED.get(text, text)
    start = 2 if text.startswith("[^") else 1
    inside = re.sub(r"\[:(\w+):\]|\\.|[\[&~|]", _in_class, text[start:-1], flags=re.DOTALL)
    return text[:start] + inside + "]"


def _in_class(match: re.Match[str]) -> str:
    text = match.group()
    if match[1]:
        return _CLASSES.get(match[1], text)
    return text if text.startswith("\\") else "\\" + text


def _flags(text: str) -> re.RegexFlag:
    flags = re.RegexFlag(0)
    for letter in text[2:-1]:
        flags |= _FLAGS[letter]
    return flags


def _bounds(token: re.Match[str]) -> tuple[int, int | None]:
    text = token.group()
    if text[0] in "*+?":
        return int(text[0] == "+"), 1 if text[0] == "?" else None
    low = int(token["low"])
    if token["to"] is None:
        return low, low
    high = int(token["high"]) if token["high"] else None
    if high is not None and high < low:
        raise re.error("min repeat greater than max repeat", token.string, token.start())
    return low, high
