"""What is kept of each kind of object, by the names that operators know: the keys of the HTTP API's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from menura.core.tallies import Churn, Sent, Taken

LENGTHS = ("messages_ready", "messages_unacknowledged")
MESSAGES = (*Sent._fields, *Taken._fields)
DISK = ("disk_reads", "disk_writes")
CHURN = Churn.__slots__
GAUGES = (
    "mem_used", "fd_used", "sockets_used", "proc_used", "disk_free", "gc_num", "context_switches",
    "io_read_count", "io_read_bytes", "io_read_time", "io_write_count", "io_write_bytes", "io_write_time",
    "io_sync_count", "io_sync_time",
)  # fmt: skip

QUEUE = ("publish", *Taken._fields, *DISK, *LENGTHS)
EXCHANGE = ("publish_in", "publish_out")
CHANNEL = MESSAGES
CONNECTION = ("recv_oct", "send_oct", "recv_cnt", "send_cnt")
VHOST = (*MESSAGES, *LENGTHS, "recv_oct", "send_oct")
NODE = (*VHOST, *DISK, *CHURN, *GAUGES)

SUMS: Mapping[str, Sequence[str]] = {
    "deliver_get": ("deliver", "deliver_no_ack", "get", "get_no_ack"),
    "messages": LENGTHS,
}
"""What is not kept but the sum of what is."""
