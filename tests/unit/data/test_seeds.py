from steerlm_jobs.data.seeds import derived_seed, seeded_order, unit_interval


def test_chance_is_pinned():
    """Other values would move every split and every training order."""
    assert derived_seed(1234, "epoch", 1) == 8536214576825911018
    assert round(unit_interval(1234, "split", "tree:a"), 12) == 0.35711900504
    assert seeded_order(6, 1234, "epoch", 1) == [4, 2, 0, 3, 1, 5]


def test_names_cannot_run_into_each_other():
    assert derived_seed(1, "ab", "c") != derived_seed(1, "a", "bc")
    assert derived_seed(1, "1") != derived_seed(1, 1)
