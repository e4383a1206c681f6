"""Arithmetic on repeating sizes, against counting one by one."""

from hypothesis import given
from hypothesis import strategies as st

from menura.bench.cycle import Cycle

sizes = st.lists(st.integers(1, 50), min_size=1, max_size=8)


@given(sizes=sizes, messages=st.integers(0, 100))
def test_the_end_of_some_messages_is_the_sum_of_their_sizes(sizes: list[int], messages: int) -> None:
    assert Cycle(sizes).end(messages) == sum(sizes[number % len(sizes)] for number in range(messages))


@given(sizes=sizes, octets=st.integers(0, 2_000))
def test_whole_messages_end_within_the_octets_and_the_next_does_not(sizes: list[int], octets: int) -> None:
    cycle = Cycle(sizes)
    whole = cycle.whole(octets)
    assert cycle.end(whole) <= octets < cycle.end(whole + 1)
