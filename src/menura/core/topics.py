"""Topic patterns in a trie: the cost of a match grows with the words of the key and with what matches.

Words are separated by dots; `*` stands for exactly one word and `#` for any number, none included. An empty
word (as in "a..b") is a word, but the empty key has none.
"""

from __future__ import annotations

from typing import Generic, TypeVar

Destination = TypeVar("Destination")


class _Node(Generic[Destination]):
    __slots__ = ("any_number", "children", "destinations")

    def __init__(self, any_number: bool = False) -> None:
        self.any_number = any_number
        self.children: dict[str, _Node[Destination]] = {}
        self.destinations: dict[Destination, int] = {}


class TopicTrie(Generic[Destination]):
    """Which destinations want a key. The same pair of pattern and destination may be added more than once."""

    def __init__(self) -> None:
        self._root: _Node[Destination] = _Node()

    def add(self, pattern: str, destination: Destination) -> None:
        node = self._root
        for word in _words(pattern):
            child = node.children.get(word)
            if child is None:
                child = node.children[word] = _Node(word == "#")
            node = child
        node.destinations[destination] = node.destinations.get(destination, 0) + 1

    def remove(self, pattern: str, destination: Destination) -> None:
        """Undo one `add`; branches that end nowhere are cut."""
        path = [self._root]
        words = _words(pattern)
        for word in words:
            path.append(path[-1].children[word])
        destinations = path[-1].destinations
        destinations[destination] -= 1
        if not destinations[destination]:
            del destinations[destination]
        for node, parent, word in zip(path[:0:-1], path[-2::-1], reversed(words), strict=True):
            if node.children or node.destinations:
                break
            del parent.children[word]

    def match(self, key: str) -> dict[Destination, None]:
        """The destinations whose patterns match, each once, in no particular order."""
        found: dict[Destination, None] = {}
        words = _words(key)
        last = len(words)
        # States (node, words consumed). A node of `#` may be left at once or consume a word and stay. Two `#` can
        # reach one state on many ways, hence the set.
        seen: set[tuple[int, int]] = set()
        stack: list[tuple[_Node[Destination], int]] = [(self._root, 0)]
        while stack:
            node, at = stack.pop()
            children = node.children
            rest = children.get("#")
            if rest is not None:
                _visit(stack, seen, rest, at)
            if at == last:
                found.update(dict.fromkeys(node.destinations))
                continue
            if node.any_number:
                _visit(stack, seen, node, at + 1)
            exact = children.get(words[at])
            # "*" and "#" inside a key are ordinary words: they must not take the wildcard's branch twice.
            if exact is not None and words[at] not in ("*", "#"):
                _visit(stack, seen, exact, at + 1)
            star = children.get("*")
            if star is not None:
                _visit(stack, seen, star, at + 1)
        return found


def _visit(
    stack: list[tuple[_Node[Destination], int]], seen: set[tuple[int, int]], node: _Node[Destination], at: int
) -> None:
    state = (id(node), at)
    if state not in seen:
        seen.add(state)
        stack.append((node, at))


def _words(key: str) -> list[str]:
    return key.split(".") if key else []
