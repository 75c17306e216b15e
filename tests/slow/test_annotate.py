import json
from collections import Counter
from functools import partial

import pytest

from steerlm_jobs.contract.errors import (
    BadConfigError,
    BadInputError,
    ExitCode,
    InterruptedStageError,
)
from steerlm_jobs.contract.recipes import AnnotateRecipe, SampleFilter
from steerlm_jobs.data.conversations import Conversation, Role
from steerlm_jobs.data.template import TEMPLATE
from steerlm_jobs.stages import annotate
from steerlm_jobs.store.artifacts import ArtifactReader
from tests.slow.tiny_run import StopAfter, TinyRun, a_conversation, content, with_labels

pytestmark = pytest.mark.slow

ROWS = [
    *(
        a_conversation(f"l{i}", f"Q {i}?", f"Answer {i}.", labels=[{"quality": i % 5}])
        for i in range(5)
    ),
    *(
        a_conversation(f"u{i}", "Q?", f"{i} is it.", "And?", "No " * i, source="unlabelled")
        for i in range(4)
    ),
    a_conversation("lv", "Q?", "Never.", labels=[{"humor": 2}], split="validation"),
    a_conversation("uv", "Q?", "Ever.", source="unlabelled", split="validation"),
]


STARTS = {
    "quality": {"levels": [0, 4], "starts": [2.0]},
    "humor": {"levels": [1], "starts": []},
}
"""Of `MatchHistogram`: levels that rounding would not give."""


def a_run(folder, recipe=None, rows=ROWS, apm=TinyRun.apm, **execution):
    run = TinyRun(folder)
    inputs = (run.prepared(rows), apm(run))
    recipe = recipe or AnnotateRecipe(chunk_rows=3, max_length_tokens=200)
    return run, run.config("annotate", recipe, inputs, **execution)


def annotated(run, config):
    report = annotate.run(run.context(config))
    source = run.as_input(config, report.digest)
    reader = ArtifactReader.open(source, run.folder / "scratch")
    return source, [Conversation.from_json(row) for row in reader.rows("chunks/")]


def answers(conversation):
    return [turn for turn in conversation.turns if turn.role is Role.ASSISTANT]


APMS = pytest.mark.parametrize("apm", [TinyRun.apm, TinyRun.generative_apm])


@APMS
def test_every_answer_of_all_splits_is_labelled_in_the_order_of_prepare(tmp_path, apm):
    run, config = a_run(tmp_path, apm=apm)
    source, rows = annotated(run, config)
    assert [c.id for c in rows] == [c.id for c in ROWS]
    turns = [turn for c in rows for turn in answers(c)]
    assert all(set(t.labels) == set(t.scores) == {"quality", "humor"} for t in turns)
    assert [dict(t.human_labels) for c in rows[:5] for t in answers(c)] == [
        {"quality": i} for i in range(5)
    ]
    summary = json.loads(content(source, "summary.json").read_text())
    assert (summary["conversations"], summary["assistantTurns"]) == (11, 15)
    assert summary["licences"] == {"labelled": "MIT", "unlabelled": ""}
    assert json.loads(content(source, "template.json").read_text()) == TEMPLATE
    assert "- unlabelled: licence unknown\n" in content(source, "README.md").read_text()
    assert summary["histograms"]["human"]["quality"] == dict.fromkeys("01234", 1)
    labels = Counter(str(t.labels["humor"]) for t in turns)
    assert summary["histograms"]["labels"]["humor"] == {k: labels[k] for k in "012"}


def test_fill_missing_keeps_people_s_labels(tmp_path):
    recipe = AnnotateRecipe(chunk_rows=3, max_length_tokens=200, labels="FillMissing")
    _, rows = annotated(*a_run(tmp_path, recipe))
    assert [answers(c)[0].labels["quality"] for c in rows[:5]] == list(range(5))


def test_match_histogram_gives_the_levels_that_people_gave_in_any_chunks(tmp_path):
    labels = []
    for chunk_rows in (3, 99):
        recipe = AnnotateRecipe(
            chunk_rows=chunk_rows, max_length_tokens=200, quantise="MatchHistogram"
        )
        place = tmp_path / str(chunk_rows)
        apm = partial(TinyRun.apm, levelStarts=STARTS)
        _, rows = annotated(*a_run(place, recipe, apm=apm))
        turns = [turn for c in rows for turn in answers(c)]
        labels.append([dict(t.labels) for t in turns])
        assert labels[-1] == [
            {"quality": 4 * (t.scores["quality"] >= 2), "humor": 1} for t in turns
        ]
    assert labels[0] == labels[1]
    assert {of_turn["quality"] for of_turn in labels[0]} == {0, 4}


def test_match_histogram_needs_an_apm_that_knows_where_levels_start(tmp_path):
    recipe = AnnotateRecipe(max_length_tokens=200, quantise="MatchHistogram")
    run, config = a_run(tmp_path, recipe)
    with pytest.raises(BadConfigError, match="train the attribute prediction model again"):
        annotate.run(run.context(config))


@APMS
def test_stopped_anywhere_and_resumed_the_result_is_that_of_an_undisturbed_run(tmp_path, apm):
    undisturbed = annotate.run(TinyRun.context(*a_run(tmp_path / "a", apm=apm))).digest
    for num_looks in range(9):
        run, config = a_run(tmp_path / str(num_looks), apm=apm)
        try:
            annotate.run(run.context(config, StopAfter(num_looks)))
        except InterruptedStageError:
            config = run.config("annotate", config.recipe, config.inputs, attempt=2)
        assert annotate.run(run.context(config)).digest == undisturbed


def test_two_shards_make_what_one_makes_and_the_last_one_seals(tmp_path):
    alone = annotate.run(TinyRun.context(*a_run(tmp_path / "a"))).digest
    run, first = a_run(tmp_path / "b", shard=0, num_shards=2)
    second = run.config("annotate", first.recipe, first.inputs, shard=1, num_shards=2)
    early = annotate.run(run.context(first))
    assert (early.exit_code, early.digest) == (ExitCode.OK, "")
    assert annotate.run(run.context(second)).digest == alone


def test_a_conversation_too_long_to_score_is_dropped_and_said(tmp_path):
    rows = [*ROWS, a_conversation("long", "Q?", "x" * 300)]
    run, config = a_run(tmp_path, rows=rows)
    context = run.context(config)
    report = annotate.run(context)
    assert report.metrics["conversations"] == "11"
    assert "1 conversations dropped: a turn is too long to be scored" in context.notes.lines


def test_nothing_to_label_is_bad_input(tmp_path):
    run, config = a_run(tmp_path, rows=[])
    with pytest.raises(BadInputError, match="no conversation to annotate"):
        annotate.run(run.context(config))


def samples():
    old = {"quality": 1, "humor": 1}
    for prompt in range(3):
        for number in range(3):
            sample = a_conversation(
                f"c{prompt}#1.{number}", f"Q {prompt}?", "A.", "More?", f"{number} of it.",
                requested={"quality": 4, "humor": 0},
            )  # fmt: skip
            yield with_labels(sample, old, {})


def test_samples_get_predicted_labels_and_are_ranked_and_filtered_within_their_prompt(tmp_path):
    run = TinyRun(tmp_path)
    recipe = AnnotateRecipe(
        iteration=1,
        chunk_rows=2,
        max_length_tokens=200,
        rank_weights={"quality": 1.0, "humor": -1.0},
        filter=SampleFilter(kind="TopN", top_n=2),
    )
    config = run.config("annotate-1", recipe, (run.apm(), run.sampled(samples())))
    source, rows = annotated(run, config)
    assert all(dict(c.turns[1].labels) == {"quality": 1, "humor": 1} for c in rows)
    assert all(set(c.turns[3].labels) == {"quality", "humor"} for c in rows)
    for prompt in range(3):
        group = sorted(rows[3 * prompt : 3 * prompt + 3], key=lambda c: c.rank)
        assert [c.rank for c in group] == [1, 2, 3]
        assert [c.kept for c in group] == [True, True, False]
        assert [c.rank_sum for c in group] == sorted((c.rank_sum for c in group), reverse=True)
    summary = json.loads(content(source, "summary.json").read_text())
    assert (summary["conversations"], summary["kept"], summary["assistantTurns"]) == (9, 6, 9)
    assert (
        content(source, "README.md").read_text().startswith("---\ntags: [steerlm]\n---\n# Ranked")
    )


def test_without_rank_weights_a_note_says_that_nothing_was_ranked(tmp_path):
    run = TinyRun(tmp_path)
    recipe = AnnotateRecipe(iteration=1, max_length_tokens=200)
    config = run.config("annotate-1", recipe, (run.apm(), run.sampled(samples())))
    context = run.context(config)
    annotate.run(context)
    assert any("no attribute has a rank weight" in line for line in context.notes.lines)
