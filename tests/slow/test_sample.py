import json

import pytest

from steerlm_jobs.contract.errors import BadInputError, ExitCode, InterruptedStageError
from steerlm_jobs.contract.recipes import AnnotateRecipe, SampleRecipe
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.template import TEMPLATE
from steerlm_jobs.stages import sample
from steerlm_jobs.store.artifacts import ArtifactReader, ArtifactWriter
from steerlm_jobs.store.jsonl import write_json, write_jsonl
from tests.slow.tiny_run import StopAfter, TinyRun, a_conversation, content, with_labels

pytestmark = pytest.mark.slow

TOP, SECOND, LOW = (
    {"quality": 4, "humor": 0},
    {"quality": 4, "humor": 1},
    {"quality": 1, "humor": 0},
)
LABELS = [TOP, SECOND, LOW, TOP, SECOND, LOW, TOP, SECOND]
ROWS = [
    with_labels(a_conversation(f"c{i}", f"Question {i}?", "A."), labels)
    for i, labels in enumerate(LABELS)
]


def a_recipe(**fields):
    defaults = {
        "iteration": 1,
        "samples_per_prompt": 3,
        "max_prompts": 7,
        "max_new_tokens": 30,
        "max_length_tokens": 200,
        "min_count": 2,
        "maximise": ("quality",),
        "chunk_rows": 2,
    }
    return SampleRecipe(**(defaults | fields))


def a_run(folder, rows=ROWS, execution=None, **fields):
    run = TinyRun(folder)
    config = run.config("annotate", AnnotateRecipe())
    writer = ArtifactWriter(config, folder / "scratch" / "annotate")
    write_jsonl(writer.content / "chunks/000000000.jsonl.zst", (c.to_json() for c in rows))
    write_json(writer.content / "summary.json", {"licences": {"labelled": "MIT"}})
    originals = run.as_input(config, writer.commit().digest)
    inputs = (originals, run.acsft())
    return run, run.config("sample-1", a_recipe(**fields), inputs, **(execution or {}))


def sampled(run, config):
    source = run.as_input(config, sample.run(run.context(config)).digest)
    reader = ArtifactReader.open(source, run.folder / "scratch")
    return source, [Conversation.from_json(row) for row in reader.rows("chunks/")]


def test_prompts_are_answered_under_the_top_combinations_seen(tmp_path):
    source, samples = sampled(*a_run(tmp_path))
    found = json.loads(content(source, "combinations.json").read_text())
    assert found["combinations"] == [
        {"labels": TOP, "count": 3},
        {"labels": SECOND, "count": 3},
    ]
    assert all(dict(s.requested) in (TOP, SECOND) for s in samples)
    assert len({s.id.split("#")[0] for s in samples}) > 3
    assert all(s.turns[-1].text and not s.turns[-1].labels for s in samples)


def test_the_summary_accounts_for_every_sample_asked_for(tmp_path):
    source, samples = sampled(*a_run(tmp_path))
    counts = json.loads(content(source, "summary.json").read_text())
    assert (counts["prompts"], counts["asked"], counts["kept"]) == (7, 21, len(samples))
    drops = counts["unfinished"] + counts["empty"] + counts["duplicates"]
    assert drops == 21 - len(samples)
    assert counts["unfinished"] > 0
    assert counts["licences"] == {"labelled": "MIT"}
    assert json.loads(content(source, "template.json").read_text()) == TEMPLATE
    assert "- labelled: licence MIT\n" in content(source, "README.md").read_text()


def test_stopped_anywhere_and_resumed_the_result_is_that_of_an_undisturbed_run(tmp_path):
    undisturbed = sample.run(TinyRun.context(*a_run(tmp_path / "a"))).digest
    for num_looks in (0, 1, 20, 40, 70, 100):
        run, config = a_run(tmp_path / str(num_looks))
        try:
            sample.run(run.context(config, StopAfter(num_looks)))
        except InterruptedStageError:
            config = run.config("sample-1", config.recipe, config.inputs, attempt=2)
        assert sample.run(run.context(config)).digest == undisturbed


def test_two_shards_make_what_one_makes_chunk_by_chunk(tmp_path):
    """No batch holds rows of two chunks: so it does not matter who makes which."""
    alone = sample.run(TinyRun.context(*a_run(tmp_path / "a"))).digest
    run, first = a_run(tmp_path / "b", execution={"shard": 0, "num_shards": 2})
    second = run.config("sample-1", first.recipe, first.inputs, shard=1, num_shards=2)
    early = sample.run(run.context(first))
    assert (early.exit_code, early.digest) == (ExitCode.OK, "")
    assert sample.run(run.context(second)).digest == alone


def test_an_answer_is_the_same_whatever_other_prompts_share_its_chunk(tmp_path):
    """Seeds are the rows' own. Batches differ, so rounding may; with these numbers it does not."""
    found = [
        {s.id: s.turns[-1].text for s in sampled(*a_run(tmp_path / str(n), chunk_rows=n))[1]}
        for n in (1, 2, 7)
    ]
    assert found[0] == found[1] == found[2]


def test_another_seed_draws_other_answers(tmp_path):
    _, first = sampled(*a_run(tmp_path / "a"))
    _, second = sampled(*a_run(tmp_path / "b", seed=5))
    assert [s.turns[-1].text for s in first] != [s.turns[-1].text for s in second]


def test_without_the_top_level_the_highest_seen_is_asked_for_and_said(tmp_path):
    rows = [with_labels(c, {"quality": 2, "humor": 0}) for c in ROWS]
    run, config = a_run(tmp_path, rows=rows)
    context = run.context(config)
    sample.run(context)
    assert context.notes.lines[0] == (
        "no combination seen 2 times has quality at the top;"
        " sampling asks for the highest seen: quality 2 of 4"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"min_count": 9}, r"seen 9 times in the training split \(3 seen at all\); lower"),
        ({"limits": {"humor": -1}}, "with humor <= -1"),
        ({"max_new_tokens": 1}, "none of 21 samples can be trained on"),
    ],
)
def test_a_result_without_samples_is_bad_input_with_the_reason(tmp_path, fields, message):
    run, config = a_run(tmp_path, **fields)
    with pytest.raises(BadInputError, match=message):
        sample.run(run.context(config))
