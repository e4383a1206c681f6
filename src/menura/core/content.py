"""The packed form of a message: its properties and body in one `bytes` object.

    02 0001 ssssssss 003c 0000 bbbbbbbbbbbbbbbb  properties  ce      properties part
    03 0001 bbbbbbbb                             body        ce      body part, absent when the body is empty

s = 12 + length of the properties block, b = length of the body, big endian. The constant octets mean nothing
here; they are those of the densest wire format among the protocols served, so that its traffic is kept and
sent on as one slice of the read buffer. One object of 28 octets overhead instead of a header object, a
properties object and a body is what makes a queued message cheap, and `bytes` are never looked at by the
garbage collector.
"""

import struct

PROPERTIES_AT = 19
_HEADER = struct.Struct(">BHIHHQ")
_BODY = struct.Struct(">BHI")
END = b"\xce"


def pack(properties: bytes, body: bytes | bytearray) -> bytes:
    """The packed form of a properties block (see `properties`) and a body of at most 4 GiB."""
    if not body:
        return b"".join((_HEADER.pack(2, 1, 12 + len(properties), 60, 0, 0), properties, END))
    return b"".join((opening(properties, len(body)), body, END))


def opening(properties: bytes, body_bytes: int) -> bytes:
    """What stands before a body of `body_bytes` (at least 1); behind it, `END`."""
    header = _HEADER.pack(2, 1, 12 + len(properties), 60, 0, body_bytes)
    return b"".join((header, properties, END, _BODY.pack(3, 1, body_bytes)))


def properties_end(content: bytes) -> int:
    """Offset of the octet that ends the properties part."""
    return 7 + int.from_bytes(content[3:7], "big")


def properties_of(content: bytes) -> bytes:
    """The properties block, still encoded."""
    return content[PROPERTIES_AT : properties_end(content)]


def body_length(content: bytes) -> int:
    return int.from_bytes(content[11:19], "big")


def body_of(content: bytes) -> bytes:
    start = properties_end(content) + 8
    return content[start:-1] if start < len(content) else b""


def view_of_body(content: bytes) -> memoryview:
    """The body without a copy of it."""
    start = properties_end(content) + 8
    return memoryview(content)[start:-1] if start < len(content) else memoryview(b"")


def with_properties(content: bytes, properties: bytes) -> bytes:
    """The same body under another properties block."""
    return pack(properties, body_of(content))
