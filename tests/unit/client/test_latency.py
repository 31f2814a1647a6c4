"""The latency counters against sorting: the figures everybody quotes."""

import random

import pytest

from oms.client.latency import PARTS, VALUE_MAX, LatencyHistogram, counter_of, highest_of


def true_percentile(values: list[int], per_mille: int) -> int:
    """The smallest value that at least `per_mille` of 1,000 values do not exceed."""
    ranked = sorted(values)
    return ranked[max(-(-len(ranked) * per_mille // 1_000) - 1, 0)]


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_are_those_of_the_sorted_values_within_one_part(seed: int) -> None:
    """Never below the truth, and at most 1/128 above it."""
    draw = random.Random(seed)
    values = [int(draw.lognormvariate(13, 2)) for _ in range(5_000)]
    histogram = LatencyHistogram()
    histogram.record_all(values)
    for per_mille in (1, 500, 900, 990, 999, 1_000):
        truth = true_percentile(values, per_mille)
        assert truth <= histogram.percentile(per_mille) <= truth + truth // PARTS
    assert histogram.max == max(values)
    assert histogram.count == len(values)


def test_small_values_are_exact() -> None:
    """Below 128 every value has a counter of its own."""
    histogram = LatencyHistogram()
    histogram.record_all(range(PARTS))
    assert [histogram.percentile(per_mille) for per_mille in (250, 500, 1_000)] == [31, 63, 127]


def test_counters_cover_every_value_without_gap_or_overlap() -> None:
    """A value between two counters would be lost."""
    edges = [value + step for bits in range(42) for value in (1 << bits,) for step in (-1, 0, 1)]
    for value in sorted(edge for edge in edges if 0 <= edge <= VALUE_MAX):
        counter = counter_of(value)
        assert value <= highest_of(counter)
        assert counter == 0 or highest_of(counter - 1) < value


def test_values_beyond_the_range_count_at_its_ends() -> None:
    """A clock that was set back, or a day of waiting, must not raise in a measurement."""
    histogram = LatencyHistogram()
    histogram.record(-5)
    histogram.record(VALUE_MAX + 1)
    assert (histogram.percentile(500), histogram.max) == (0, VALUE_MAX)


def test_the_summary_is_in_microseconds_rounded_up() -> None:
    """One nanosecond is not zero microseconds."""
    histogram = LatencyHistogram()
    assert histogram.summary_us() == {"p50": 0, "p90": 0, "p99": 0, "p999": 0, "max": 0}
    histogram.record(1_001)
    assert histogram.summary_us()["max"] == 2
