from steerlm_jobs.attributes.histogram_match import LevelStarts
from steerlm_jobs.contract.recipes import SampleFilter
from steerlm_jobs.data.conversations import Role, Turn
from steerlm_jobs.evaluation.annotation import (
    Labelling,
    annotated,
    annotated_sample,
    ranked,
    summary,
)
from tests.unit.evaluation.builders import SCHEMA, a_conversation

PREDICTED = Labelling(SCHEMA, "Predicted")
FILL_MISSING = Labelling(SCHEMA, "FillMissing")
SCORES = {"quality": 2.5, "humor": 2.7000004}


def test_every_answer_gets_scores_and_rounded_labels_and_people_s_labels_stand_aside():
    conversation = a_conversation("u", "a", "u", "b", labels=[{"quality": 0}])
    found = annotated(conversation, [SCORES, {"quality": -3.0, "humor": 0.4}], PREDICTED)
    assert found.turns == (
        Turn(Role.USER, "u"),
        Turn(
            Role.ASSISTANT,
            "a",
            labels={"quality": 3, "humor": 2},
            human_labels={"quality": 0},
            scores={"quality": 2.5, "humor": 2.7},
        ),
        Turn(Role.USER, "u"),
        Turn(
            Role.ASSISTANT,
            "b",
            labels={"quality": 0, "humor": 0},
            scores={"quality": -3.0, "humor": 0.4},
        ),
    )


def test_match_histogram_takes_the_level_whose_start_the_score_reaches():
    starts = {"quality": LevelStarts((0, 2, 4), (2.4, 2.6))}
    matched = Labelling(SCHEMA, "Predicted", starts)
    scores = [{"quality": q, "humor": 1.4} for q in (2.39, 2.4, 2.6)]
    texts = [text for _ in scores for text in ("u", "a")]
    found = annotated(a_conversation(*texts), scores, matched)
    labels = [dict(turn.labels) for turn in found.turns if turn.role is Role.ASSISTANT]
    assert labels == [{"quality": q, "humor": 1} for q in (0, 2, 4)]


def test_fill_missing_keeps_the_labels_that_people_gave():
    (_, turn) = annotated(
        a_conversation("u", "a", labels=[{"quality": 0}]), [SCORES], FILL_MISSING
    ).turns
    assert (turn.labels, turn.human_labels) == ({"quality": 0, "humor": 2}, {"quality": 0})


def test_a_conversation_with_a_turn_too_long_to_score_is_dropped():
    assert annotated(a_conversation("u", "a", "u", "b"), [SCORES, None], PREDICTED) is None


def test_a_sample_gets_predicted_labels_and_its_earlier_turns_keep_theirs():
    old = {"quality": 1, "humor": 1}
    sample = a_conversation("u", "a", "u", "b", labels=[old], requested={"quality": 4, "humor": 0})
    found = annotated_sample(sample, [SCORES, SCORES], FILL_MISSING)
    assert [dict(t.labels) for t in found.turns] == [{}, old, {}, {"quality": 3, "humor": 2}]
    assert found.requested == sample.requested


def test_samples_of_one_prompt_are_ranked_together_whatever_their_ids():
    scored = [({"quality": 1.0, "humor": 0.0}, "x"), ({"quality": 4.0, "humor": 0.0}, "y")]
    samples = [
        annotated_sample(a_conversation("u", text, id=text), [scores], PREDICTED)
        for scores, text in scored
    ]
    found = ranked(samples, SCHEMA, {"quality": 1.0}, SampleFilter(kind="TopN"))
    assert [(s.rank, s.rank_sum, s.kept) for s in found] == [(2, 0.25, False), (1, 1.0, True)]


def test_the_summary_counts_people_s_and_final_labels_of_answers():
    rows = [
        annotated(a_conversation("u", "a", labels=[{"quality": 0}]), [SCORES], PREDICTED),
        annotated(a_conversation("u", "a", split="validation"), [SCORES], PREDICTED),
    ]
    assert summary(rows, 3, SCHEMA) == {
        "conversations": 2,
        "kept": 2,
        "droppedTooLong": 1,
        "assistantTurns": 2,
        "histograms": {
            "human": {"quality": {0: 1, 1: 0, 2: 0, 3: 0, 4: 0}, "humor": {0: 0, 1: 0, 2: 0}},
            "labels": {"quality": {0: 0, 1: 0, 2: 0, 3: 2, 4: 0}, "humor": {0: 0, 1: 0, 2: 2}},
        },
        "trainLevelCounts": {
            "quality": {0: 0, 1: 0, 2: 0, 3: 1, 4: 0},
            "humor": {0: 0, 1: 0, 2: 1},
        },
    }
