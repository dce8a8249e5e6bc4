"""What is known of a gateway's threads."""
import pytest
from running import by_age


@pytest.mark.parametrize(("threads", "ordered"), [([12, 10, 11], [10, 11, 12]), ([1, 2, 10], [10, 1, 2]), ([12, 1, 10], [10, 12, 1])])
def test_the_oldest_thread_is_the_first_also_when_numbers_begin_again(threads, ordered):
    assert by_age(10, threads) == ordered
