"""A subscription, and its form as a binding: what the catalog keeps of it.

The binding's key is the filter as a pattern; its arguments are the octet of options as it came and the identifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from menura.core import fields
from menura.core.arguments import number
from menura.protocols.mqtt.topics import Share, pattern_of

if TYPE_CHECKING:
    from menura.core.consumer import Consumer

OPTIONS, IDENTIFIER = "x-mqtt-options", "x-mqtt-subscription-id"
SHARE, SHARE_FILTER = "x-mqtt-share", "x-mqtt-filter"


class Subscription:
    """Options as in section 3.8.3.1; `id` is 0 where the client gave none; `consumer` is that of a shared one."""

    __slots__ = ("consumer", "filter", "id", "no_local", "options", "pattern", "qos", "retain_as_published", "share")

    def __init__(self, filter: str, options: int, id: int = 0, share: Share | None = None) -> None:
        self.filter = filter
        self.options = options
        self.id = id
        self.share = share
        self.pattern = pattern_of(share.filter if share else filter)
        self.qos = options & 3
        self.no_local = bool(options & 4)
        self.retain_as_published = bool(options & 8)
        self.consumer: Consumer | None = None

    @property
    def retain_handling(self) -> int:
        return self.options >> 4 & 3

    @property
    def arguments(self) -> dict[str, bytes]:
        arguments = {OPTIONS: fields.encode_value(self.options)}
        if self.id:
            arguments[IDENTIFIER] = fields.encode_value(self.id)
        if self.share is not None:
            arguments[SHARE] = fields.encode_value(self.share.name)
            arguments[SHARE_FILTER] = fields.encode_value(self.share.filter)
        return arguments


def restored(filter: str, arguments: Mapping[str, bytes]) -> Subscription | None:
    """The subscription a binding with these arguments was made for; None if it was made for none."""
    options = number(arguments, OPTIONS)
    if options is None:
        return None
    id = number(arguments, IDENTIFIER) or 0
    name, shared = arguments.get(SHARE), arguments.get(SHARE_FILTER)
    if name is None or shared is None:
        return Subscription(filter, options, id)
    share = Share(str(fields.decode_value(name)), str(fields.decode_value(shared)))
    return Subscription(f"$share/{share.name}/{share.filter}", options, id, share)
