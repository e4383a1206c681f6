"""What stops a measurement: said in one line to the person who asked for it."""


class BenchError(Exception):
    """The measurement can't be made, or its result would not be true."""


class BrokerClosedError(BenchError):
    """The broker closed the connection or the channel; the text says why."""


class UnavailableError(BenchError):
    """A part that this scenario needs (a client library, a process id) is not here."""
