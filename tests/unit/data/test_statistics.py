from collections import Counter

from steerlm_jobs.data.statistics import LabelCounts, length_figures


def test_percentiles_are_lengths_that_occur():
    assert length_figures(Counter(range(1, 101))) == {"p50": 50, "p95": 95, "max": 100}
    assert length_figures(Counter([7, 7, 9])) == {"p50": 7, "p95": 9, "max": 9}
    assert length_figures(Counter()) == {"p50": 0, "p95": 0, "max": 0}


def test_label_counts_show_every_level_and_the_share_without():
    counts = LabelCounts()
    for labels in ({"humor": 4}, {"humor": 4, "quality": 0}, {}, {}):
        counts.add(labels)
    assert counts.figures({"humor": range(5), "wit": range(2)}) == {
        "humor": {
            "known": 2,
            "missing_share": 0.5,
            "histogram": {"0": 0, "1": 0, "2": 0, "3": 0, "4": 2},
        },
        "wit": {"known": 0, "missing_share": 1.0, "histogram": {"0": 0, "1": 0}},
    }
