"""Cases that RabbitMQ 3.10.8 answers otherwise than the broker is expected to.

The tests state what RabbitMQ 4.2 does, as far as its source and release notes tell, or what is kinder to the
client. Run against RabbitMQ 3.10.8, a test named here expects `older` where it calls `expect_differing`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pamqp.commands import Connection, Exchange

from tests.conformance.answers import confirmed, connection_error


CLOSED = "closed"


@dataclass(frozen=True)
class Difference:
    reason: str
    older: tuple[str, ...]


DIFFERENCES = {
    "test_an_unknown_exchange_type_closes_the_channel": Difference(
        "since 3.13 an unknown exchange type ends the channel, no longer the connection",
        (connection_error(503, "unknown exchange type 'nonsense'", Exchange.Declare),),
    ),
    "test_an_answer_that_reaches_its_client_is_not_returned": Difference(
        "since 4.2 a message to a reply address counts as routed; before, it was delivered and returned as well",
        ("1 Basic.Return(reply_code=312, reply_text='NO_ROUTE', ...) {} b'answer'", confirmed(1)),
    ),
    "test_the_header_of_0_8_is_wrong": Difference(
        "3.x still spoke AMQP 0-8",
        ("0 Connection.Start(version_major=8, version_minor=0, ...",),
    ),
    "test_what_does_not_belong_before_tune_ok_is_an_error": Difference(
        "RabbitMQ cuts the connection off after 3 s without saying why", (CLOSED,)
    ),
    "test_close_is_confirmed_before_tune_ok": Difference(
        "RabbitMQ cuts the connection off after 3 s without saying why", (CLOSED,)
    ),
    "test_close_is_confirmed_before_open": Difference(
        "RabbitMQ takes close for an error before it has answered open",
        (connection_error(504, "unexpected method in connection state opening", Connection.Close),),
    ),
    "test_limits_beyond_those_offered_are_not_allowed": Difference(
        "since 4.x with connection.close; 3.10 cuts the connection off after 3 s without saying why",
        (CLOSED,),
    ),
}
