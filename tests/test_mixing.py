"""SplitMix64 against its published outputs, and as the signature of row ids."""

from __future__ import annotations

import numpy as np

from ringmill.mixing import GOLDEN, mixed, uniform

# The first three of seed 0, as the authors' splitmix64.c prints them.
FIRST_OF_0 = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_mixed_gives_the_published_outputs() -> None:
    states = np.arange(1, 4, dtype=np.uint64) * GOLDEN
    assert mixed(states).tolist() == FIRST_OF_0
    assert states.tolist() == [int(GOLDEN) * place % 2**64 for place in (1, 2, 3)]


def test_uniform_takes_the_upper_53_bits() -> None:
    largest = np.array([0, 2**11, 2**64 - 1], np.uint64)
    assert uniform(largest).tolist() == [0.0, 2.0**-53, 1.0 - 2.0**-53]


def test_a_signature_is_a_sum_of_mixed_ids() -> None:
    from ringmill.train.feed import signature

    # Id 0 is mixed like the first state of seed 0.
    assert signature(np.array([0], np.int64)) == FIRST_OF_0[0] & (2**62 - 1)
    assert signature(np.array([3, -5, 7], np.int64)) == signature(np.array([7, 3, -5], np.int64))
    assert signature(np.array([3, 3], np.int64)) != signature(np.array([3], np.int64))
