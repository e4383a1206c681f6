"""What a connection of stomp.py is told, as queues that a test can wait on."""

from __future__ import annotations

import queue

import stomp
from stomp.utils import Frame
from tests.clients.program import DEADLINE_SECONDS


class Inbox(stomp.ConnectionListener):
    """What a connection is told, in order, by kind of frame."""

    def __init__(self) -> None:
        self.messages: queue.Queue[Frame] = queue.Queue()
        self.receipts: queue.Queue[str] = queue.Queue()
        self.errors: queue.Queue[Frame] = queue.Queue()
        self.ends: queue.Queue[bool] = queue.Queue()
        self.beats: queue.Queue[bool] = queue.Queue()

    def on_message(self, frame: Frame) -> None:
        self.messages.put(frame)

    def on_receipt(self, frame: Frame) -> None:
        self.receipts.put(frame.headers["receipt-id"])

    def on_error(self, frame: Frame) -> None:
        self.errors.put(frame)

    def on_disconnected(self) -> None:
        self.ends.put(True)

    def on_heartbeat(self) -> None:
        self.beats.put(True)

    def message(self) -> Frame:
        return self.messages.get(timeout=DEADLINE_SECONDS)

    def bodies(self, count: int) -> list[str]:
        return [self.message().body for _ in range(count)]

    def receipt(self) -> str:
        return self.receipts.get(timeout=DEADLINE_SECONDS)

    def error(self) -> Frame:
        return self.errors.get(timeout=DEADLINE_SECONDS)
