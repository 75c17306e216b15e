from pathlib import Path

from steerlm_jobs.store.lineage import lineage
from tests.unit.store.lineages import GRAPH, TRAINING, Lineage

LAST = ("prepare", "train-apm", "train-acsft", "train-acsft-1")


def the_lineage(run, *stages):
    return {a.source.stage: a for a in lineage(run.inputs(*stages), run.prefix)}


def test_all_results_of_a_run_are_found_from_what_its_last_stage_reads(tmp_path):
    run = Lineage(tmp_path)
    found = the_lineage(run, *LAST)
    assert {stage: a.source for stage, a in found.items()} == run.sealed
    assert {stage: set(a.made_from) for stage, a in found.items()} == {
        stage: set(inputs) for stage, (_, inputs) in GRAPH.items()
    }
    assert all(a.is_there for a in found.values())


def test_each_result_has_what_its_stage_noted(tmp_path):
    found = the_lineage(Lineage(tmp_path), *LAST)
    assert {stage: a.notes for stage, a in found.items()} == {
        stage: (f"{stage} noted this",) for stage in GRAPH
    }


def test_each_result_comes_after_what_it_was_made_from(tmp_path):
    run = Lineage(tmp_path)
    order = list(the_lineage(run, *reversed(LAST)))
    for stage, (_, inputs) in GRAPH.items():
        assert all(order.index(source) < order.index(stage) for source in inputs)


def test_a_result_that_is_gone_is_named_and_what_lies_behind_it_unknown(tmp_path):
    run = Lineage(tmp_path)
    run.delete("annotate-1")
    found = the_lineage(run, *LAST)
    assert not found["annotate-1"].is_there
    assert found["annotate-1"].source == run.sealed["annotate-1"]
    assert "sample-1" not in found


def test_a_result_with_other_bytes_or_a_damaged_manifest_is_not_there(tmp_path):
    run = Lineage(tmp_path)
    other = run.sealed["annotate"].model_copy(update={"digest": "x" * 43})
    assert [a.is_there for a in lineage([other], run.prefix)] == [False]
    Path(run.sealed["annotate"].uri, "manifest.json").write_text("{")
    assert not the_lineage(run, *LAST)["annotate"].is_there


def test_a_stage_that_is_not_named_after_its_kind_is_found_all_the_same(tmp_path):
    recipe = GRAPH["annotate"][0].model_copy(update={"chunk_rows": 7})
    plain = GRAPH["train-acsft"][0].model_copy(update={"seed": 9})
    assert plain.training == TRAINING
    more = {
        "second-labels": (recipe, ("prepare", "train-apm")),
        "train-plain": (plain, ("prepare", "second-labels")),
    }
    run = Lineage(tmp_path, more=more)
    found = the_lineage(run, "train-plain")
    assert found["second-labels"].source == run.sealed["second-labels"]
    run.delete("second-labels")
    assert not the_lineage(run, "train-plain")["second-labels"].is_there
