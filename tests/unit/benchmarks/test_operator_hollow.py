"""How long the pods of the operator's benchmark run."""

import statistics

from benchmarks.operator.hollow import spread


def test_stages_take_half_to_one_and_a_half_times_the_mean_each_always_the_same() -> None:
    lengths = [spread(f"run-{i}-0123abcd-prepare-1-0-x7k2p", 30.0) for i in range(400)]
    assert min(lengths) >= 15.0
    assert max(lengths) <= 45.0
    assert abs(statistics.mean(lengths) - 30.0) < 2.0
    assert lengths[7] == spread("run-7-0123abcd-prepare-1-0-x7k2p", 30.0)
