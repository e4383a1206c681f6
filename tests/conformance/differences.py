"""Cases that RabbitMQ 3.10.8 answers otherwise than the broker is expected to.

The tests state what RabbitMQ 4.2 does, as far as its source and release notes tell, or what is kinder to the
client. Run against RabbitMQ 3.10.8, a test named here expects `older` where it calls `expect_differing`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pamqp.commands import Basic, Exchange
from tests.conformance.answers import BOUND, confirmed, connection_error, returned

CLOSED = "closed"
BROKEN_DOWN = "0 Connection.Close(541, 'INTERNAL_ERROR', 0.0)"
UNREADABLE = "RabbitMQ's reader breaks down on it and says nothing, or nothing of use"


@dataclass(frozen=True)
class Difference:
    """`older` is the older answer, or makes a line of it from a line of the answer expected today."""

    reason: str
    older: tuple[str, ...] | Callable[[str], str]

    def older_answers(self, expected: Sequence[str]) -> Sequence[str]:
        return [self.older(line) for line in expected] if callable(self.older) else self.older


def without_verb(line: str) -> str:
    return re.sub("(configure|write|read) access to", "access to", line)


NAMES_THE_VERB = "a refusal names the permission that is missing; 3.10 did not"


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
    "test_limits_beyond_those_offered_are_not_allowed": Difference(
        "since 4.x with connection.close; 3.10 cuts the connection off after 3 s without saying why",
        (CLOSED,),
    ),
    "test_a_body_is_not_longer_than_announced": Difference(
        "3.10 goes on waiting for the end of the body",
        (connection_error(505, "expected content body, got non content body frame instead", Basic.Publish),),
    ),
    "test_properties_are_as_their_flags_say": Difference(UNREADABLE, (BROKEN_DOWN,)),
    "test_an_unknown_method": Difference(UNREADABLE, (CLOSED,)),
    "test_a_table_that_cannot_be_read_ends_the_connection": Difference(UNREADABLE, (CLOSED,)),
    "test_access_to_a_queue_is_refused": Difference(NAMES_THE_VERB, without_verb),
    "test_access_to_an_exchange_is_refused": Difference(NAMES_THE_VERB, without_verb),
    "test_access_to_the_destination_is_refused_before_the_default_exchange": Difference(NAMES_THE_VERB, without_verb),
    "test_publishing_is_refused": Difference(NAMES_THE_VERB, without_verb),
    "test_publishing_in_a_transaction_is_refused_before_commit": Difference(NAMES_THE_VERB, without_verb),
    "test_publishing_under_another_key_is_refused": Difference(NAMES_THE_VERB, without_verb),
    "test_binding_under_another_key_is_refused": Difference(NAMES_THE_VERB, without_verb),
    "test_a_topic_permission_may_name_user_and_virtual_host": Difference(NAMES_THE_VERB, without_verb),
    "test_dead_letters_are_read_from_a_queue_and_written_to_an_exchange": Difference(NAMES_THE_VERB, without_verb),
    "test_what_has_no_route_is_read_from_one_exchange_and_written_to_the_other": Difference(
        NAMES_THE_VERB, without_verb
    ),
    "test_copies_need_permission_too": Difference(
        "3.10 asked for permission on the routing key only, 4.x also for those in CC and BCC",
        (returned(exchange="mine-t", key="news.1", headers={"CC": ["weather.1"]}),),
    ),
    "test_what_is_hashed_is_named_by_a_string": Difference("RabbitMQ breaks down on any other value", (BROKEN_DOWN,)),
    "test_a_weight_is_limited": Difference("3.10 takes any; newer ones up to 10000", (BOUND,)),
    "test_when_the_first_binding_goes_the_next_one_counts": Difference(
        "RabbitMQ takes a queue off the ring with any of its bindings, and never puts it back for those left",
        (returned(key="k", exchange="x"),),
    ),
    "test_a_local_random_exchange_can_be_declared": Difference(
        "since 4.0", (connection_error(503, "unknown exchange type 'x-local-random'", Exchange.Declare),)
    ),
    "test_a_history_that_reaches_no_queue_does_no_harm": Difference("RabbitMQ breaks down on it", (BROKEN_DOWN,)),
    "test_a_prefetch_count_shared_by_a_channel_is_honoured": Difference(
        "quorum queues of RabbitMQ refuse it, which older versions of Celery need",
        (connection_error(540, "queue 'q' in vhost '/' does not support global qos", Basic.Consume),),
    ),
}
