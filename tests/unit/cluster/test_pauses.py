import pytest

from steerlm_operator.cluster.pauses import backoff_seconds, draw_of, spread_seconds


@pytest.mark.parametrize(
    ("num_failures", "seconds"), [(1, 0.5), (2, 1), (3, 2), (7, 32), (8, 60), (1000, 60)]
)
def test_pauses_double_up_to_a_minute(num_failures, seconds):
    assert backoff_seconds(num_failures, 0, draw=0.5) == pytest.approx(seconds)


def test_pauses_of_many_runs_differ_by_up_to_a_fifth_either_way():
    assert [spread_seconds(30, draw) for draw in (0, 0.25, 1)] == pytest.approx([24, 27, 36])
    assert backoff_seconds(2, 0, draw=0) == pytest.approx(0.8)


@pytest.mark.parametrize("draw", [0, 0.3, 1])
def test_a_server_that_asks_for_patience_is_not_asked_sooner_and_not_by_all_at_once(draw):
    assert backoff_seconds(1, 5, draw) == pytest.approx(5 + draw)


def test_runs_that_failed_together_come_back_apart():
    pauses = {backoff_seconds(3, 0, draw_of("team", f"run-{i}", 3)) for i in range(50)}
    assert len(pauses) == 50
    assert min(pauses) < 1.7
    assert max(pauses) > 2.3
