"""Who may do what: users, their password hashes, and permissions per virtual host.

A permission is a triple of regular expressions (configure, write, read) that resource names are searched
with (`patterns`); the empty expression allows nothing. Topic permissions narrow writing to, and binding from, one topic
exchange by routing key. What is kept of a password is in `passwords`; who may try one, and how often, in `logins`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from menura.core.definitions import (
    Definition,
    Definitions,
    PermissionDefinition,
    TopicPermissionDefinition,
    UserDefinition,
)
from menura.core.errors import AccessRefused, AuthenticationFailed, NotFound, PreconditionFailed
from menura.core.events import Events
from menura.core.passwords import algorithm_name, checked_hash, hash_password, matches
from menura.core.patterns import Pattern, escaped

if TYPE_CHECKING:
    from menura.core.ports import Catalog

_DECISIONS_MAX = 4096
LOCAL_USER = "menura-local"
"""What logs and lists call whoever may use the files of the broker: in no list of users, so that nobody can be it."""


class Verb(StrEnum):
    CONFIGURE = "configure"
    WRITE = "write"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Permission:
    """What a user may do in one virtual host: one pattern per verb."""

    configure: Pattern
    write: Pattern
    read: Pattern

    @classmethod
    def of(cls, configure: str, write: str, read: str) -> Permission:
        return cls(pattern(configure), pattern(write), pattern(read))


@dataclass(frozen=True, slots=True)
class TopicPermission:
    """Routing keys a user may publish with and bind with, on one exchange. {username} and {vhost} are filled
    in."""

    write: str
    read: str


@dataclass(slots=True)
class User:
    name: str
    password_hash: str = ""
    tags: frozenset[str] = frozenset()
    limits: Mapping[str, int] = field(default_factory=dict)
    permissions: dict[str, Permission] = field(default_factory=dict)
    topic_permissions: dict[tuple[str, str], TopicPermission] = field(default_factory=dict)

    @property
    def hashing_algorithm(self) -> str:
        return algorithm_name(self.password_hash)


def pattern(expression: str) -> Pattern:
    """A compiled permission pattern; refuses one that is not valid."""
    compiled = Pattern(expression or "^$")
    compiled.source = expression
    return compiled


def _kept_pattern(expression: str) -> Pattern:
    """One that was valid when it was set. An earlier version may have had other rules: then it allows nothing."""
    try:
        return pattern(expression)
    except PreconditionFailed:
        return pattern("")


class Users:
    """All users. `version` moves with every change, so that remembered decisions can be dropped.

    It also moves when publishers have to wait, or may go on: whoever has been permitted to publish asks again then.
    """

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self.version = 0
        self.catalog: Catalog | None = None
        self.events = Events()

    def restore(self, definitions: Definitions) -> None:
        """Make what a catalog has."""
        for user in definitions.users:
            self._users[user.name] = User(*user)
        for name, vhost, *expressions in definitions.permissions:
            self._users[name].permissions[vhost] = Permission(*map(_kept_pattern, expressions))
        for name, vhost, exchange, write, read in definitions.topic_permissions:
            self._users[name].topic_permissions[vhost, exchange] = TopicPermission(write, read)
        self.version += 1

    def ask_again(self) -> None:
        """What was allowed may have to wait now."""
        self.version += 1

    def _put(self, definition: Definition) -> None:
        self.version += 1
        if self.catalog is not None:
            self.catalog.put(definition)

    def _delete(self, definition: Definition) -> None:
        self.version += 1
        if self.catalog is not None:
            self.catalog.delete(definition)

    def __iter__(self) -> Iterator[User]:
        return iter(list(self._users.values()))

    def __contains__(self, name: str) -> bool:
        return name in self._users

    def add(self, name: str, password: str, salt: bytes, tags: frozenset[str] = frozenset()) -> User:
        """Create a user; one that exists gets the new password and tags and keeps its permissions."""
        return self._set(name, hash_password(password, salt) if password else "", tags)

    def add_hashed(
        self, name: str, password_hash: str, tags: frozenset[str] = frozenset(), algorithm: str = ""
    ) -> User:
        """The same with a hash made elsewhere (see `passwords`), empty for a user without password."""
        return self._set(name, checked_hash(password_hash, algorithm), tags)

    def _set(self, name: str, password_hash: str, tags: frozenset[str]) -> User:
        known = name in self._users
        if name == LOCAL_USER and not known:
            raise PreconditionFailed(f"'{name}' is what the broker calls whoever may use its files: take another name")
        user = self._users.setdefault(name, User(name))
        user.password_hash = password_hash
        user.tags = tags
        self._put_user(user)
        self.events.tell("user.password.changed" if known else "user.created", name=name)
        if known or tags:
            self.events.tell("user.tags.set", name=name, tags=sorted(tags))
        return user

    def set_password(self, name: str, password: str, salt: bytes) -> None:
        self._set_hash(name, hash_password(password, salt) if password else "")

    def set_password_hash(self, name: str, password_hash: str, algorithm: str = "") -> None:
        """A hash made elsewhere (see `passwords`)."""
        self._set_hash(name, checked_hash(password_hash, algorithm))

    def clear_password(self, name: str) -> None:
        """From now on the user cannot log in with a password."""
        self._set_hash(name, "")

    def _set_hash(self, name: str, password_hash: str) -> None:
        user = self.get(name)
        user.password_hash = password_hash
        self._put_user(user)
        self.events.tell("user.password.changed" if password_hash else "user.password.cleared", name=name)

    def set_tags(self, name: str, tags: Iterable[str]) -> None:
        user = self.get(name)
        user.tags = frozenset(tags)
        self._put_user(user)
        self.events.tell("user.tags.set", name=name, tags=sorted(user.tags))

    def limit(self, name: str, limits: Mapping[str, int]) -> None:
        """Set the limits of a user."""
        user = self.get(name)
        user.limits = limits
        self._put_user(user)
        event = "user.limits.set" if limits else "user.limits.cleared"
        self.events.tell_all(event, {**limits, "name": "limits", "username": name})

    def limits_of(self, name: str) -> Mapping[str, int]:
        """None for a user that has been removed meanwhile."""
        user = self._users.get(name)
        return user.limits if user is not None else {}

    def _put_user(self, user: User) -> None:
        self._put(UserDefinition(user.name, user.password_hash, user.tags, user.limits))

    def remove(self, name: str) -> None:
        self.get(name)
        del self._users[name]
        self._delete(UserDefinition(name))
        self.events.tell("user.deleted", name=name)

    def get(self, name: str) -> User:
        user = self._users.get(name)
        if user is None:
            raise NotFound(f"no user '{name}'")
        return user

    def check_sender(self, name: str, claimed: str) -> None:
        """Refuse a message that says it is from another user, unless this one may say so."""
        if claimed != name and "impersonator" not in self.get(name).tags:
            raise PreconditionFailed(f"user_id property set to '{claimed}' but authenticated user was '{name}'")

    def permit(self, name: str, vhost: str, configure: str = ".*", write: str = ".*", read: str = ".*") -> None:
        user, permission = self.get(name), Permission.of(configure, write, read)
        user.permissions[vhost] = permission
        self._put(PermissionDefinition(name, vhost, configure, write, read))
        self.events.tell("permission.created", user=name, vhost=vhost, configure=configure, write=write, read=read)

    def forbid(self, name: str, vhost: str) -> None:
        self.get(name).permissions.pop(vhost, None)
        self._delete(PermissionDefinition(name, vhost))
        self.events.tell("permission.deleted", user=name, vhost=vhost)

    def permit_topics(self, name: str, vhost: str, exchange: str, write: str, read: str) -> None:
        user = self.get(name)
        pattern(write), pattern(read)
        user.topic_permissions[vhost, exchange] = TopicPermission(write, read)
        self._put(TopicPermissionDefinition(name, vhost, exchange, write, read))
        self.events.tell("topic.permission.created", user=name, vhost=vhost, exchange=exchange, write=write, read=read)

    def forbid_topics(self, name: str, vhost: str, exchange: str | None = None) -> None:
        """Remove the topic permissions for one exchange, or for all of a virtual host."""
        user = self.get(name)
        for of, bound in list(user.topic_permissions):
            if of == vhost and exchange in (None, bound):
                del user.topic_permissions[of, bound]
                self._delete(TopicPermissionDefinition(name, vhost, bound))
                self.events.tell("topic.permission.deleted", user=name, vhost=vhost, exchange=bound)

    def authenticate(self, name: str, password: str) -> User:
        """The user of that name and password. An empty password is never right."""
        try:
            user = self._authenticated(name, password)
        except AuthenticationFailed as failure:
            self.events.tell("user.authentication.failure", name=name, error=str(failure))
            raise
        self.events.tell("user.authentication.success", name=name)
        return user

    def _authenticated(self, name: str, password: str) -> User:
        user = self._users.get(name)
        if user is None or not matches(password, user.password_hash):
            raise AuthenticationFailed(f"user '{name}' - invalid credentials")
        return user


class Access:
    """One user's rights in one virtual host, as a connection asks for them; remembers its answers."""

    __slots__ = ("_decisions", "_topics", "_users", "_version", "user", "vhost")

    def __init__(self, users: Users, user: str, vhost: str) -> None:
        self._users = users
        self._version = -1
        self._decisions: dict[tuple[Verb, str], bool] = {}
        self._topics: dict[tuple[Verb, str], Pattern | None] = {}
        self.user = user
        self.vhost = vhost

    @property
    def version(self) -> int:
        return self._users.version

    def require(self, verb: Verb, what: str, name: str) -> None:
        """Refuse unless the user has `verb` on the `what` ("queue" or "exchange") of that name."""
        self._refresh()
        # The default exchange has no name to match with, so it goes by another.
        resource = name or "amq.default"
        allowed = self._decisions.get((verb, resource))
        if allowed is None:
            allowed = self._decisions[verb, resource] = self._allows(verb, resource)
        if not allowed:
            raise AccessRefused(
                f"{verb} access to {what} '{resource}' in vhost '{self.vhost}' refused for user '{self.user}'"
            )

    def check_sender(self, claimed: str) -> None:
        """Refuse a message that says it is from another user, unless this one may say so."""
        self._users.check_sender(self.user, claimed)

    def may(self, verb: Verb, name: str) -> bool:
        try:
            self.require(verb, "queue", name)
        except AccessRefused:
            return False
        return True

    def require_topic(self, verb: Verb, exchange: str, key: str) -> None:
        """Refuse unless topic permissions, where the user has any for this exchange, cover the routing
        key."""
        self._refresh()
        if (verb, exchange) not in self._topics:
            self._topics[verb, exchange] = self._topic_pattern(verb, exchange)
        allowed = self._topics[verb, exchange]
        if allowed is not None and not allowed.search(key):
            raise AccessRefused(
                f"{verb} access to topic '{key}' in exchange '{exchange}' in vhost '{self.vhost}' "
                f"refused for user '{self.user}'"
            )

    def _refresh(self) -> None:
        """Forget answers that no longer hold, or are too many."""
        if self._version != self._users.version or len(self._decisions) > _DECISIONS_MAX:
            self._decisions.clear()
            self._topics.clear()
            self._version = self._users.version

    def _topic_pattern(self, verb: Verb, exchange: str) -> Pattern | None:
        permission = self._users.get(self.user).topic_permissions.get((self.vhost, exchange))
        if permission is None:
            return None
        expression = permission.write if verb is Verb.WRITE else permission.read
        return _kept_pattern(
            expression.replace("{username}", escaped(self.user)).replace("{vhost}", escaped(self.vhost))
        )

    def _allows(self, verb: Verb, resource: str) -> bool:
        try:
            permission = self._users.get(self.user).permissions.get(self.vhost)
        except NotFound:
            return False
        return permission is not None and bool(getattr(permission, verb).search(resource))


class FullAccess(Access):
    """All rights: those of the broker itself, and of whoever may use its files."""

    __slots__ = ()

    def require(self, verb: Verb, what: str, name: str) -> None:
        """Never refused."""

    def require_topic(self, verb: Verb, exchange: str, key: str) -> None:
        """Never refused."""

    def check_sender(self, claimed: str) -> None:
        """Whoever sent the messages it passes on."""
