from steerlm_jobs.evaluation.page.curves import Curve
from steerlm_jobs.evaluation.page.made import DataSource, how_it_was_made
from steerlm_jobs.evaluation.page.rounds import MixtureRow, RankRow, Round
from tests.unit.evaluation.builders import a_conversation
from tests.unit.evaluation.page_facts import TRAINING
from tests.unit.store.lineages import Lineage

LAST = ("prepare", "train-apm", "train-acsft-1")
SAMPLED = {
    "prompts": 3,
    "promptsTooLong": 0,
    "asked": 6,
    "unfinished": 1,
    "empty": 0,
    "duplicates": 2,
    "kept": 3,
}
FILES = {
    "prepare": {
        "statistics.json": {
            "attributes": {"train": {"quality": {"histogram": {"0": 2, "4": 1}}}},
            "sources": {"hh": {"format": "HhRlhf", "train": 9, "validation": 1, "drops": {"a": 2}}},
        }
    },
    "train-apm": {"training.json": TRAINING},
    "train-acsft": {"training.json": TRAINING, "steerlm.json": {"levelCounts": {}}},
    "sample-1": {
        "summary.json": {**SAMPLED, "seen": 40, "note": "text"},
        "combinations.json": {
            "combinations": [{"labels": {"quality": 4, "humor": 0}, "count": 8}],
            "warning": "quality at 3",
        },
    },
    "annotate-1": {
        "summary.json": {"conversations": 3, "kept": 2, "droppedTooLong": 1},
        "chunks/000000000.jsonl.zst": [
            a_conversation("Q", "A", rank=rank, rank_sum=total, kept=kept).to_json()
            for rank, total, kept in ((1, 2.0, True), (2, 1.5, False), (1, 1.0, True))
        ],
    },
    "train-acsft-1": {
        "training.json": TRAINING
        | {"examples": 12, "mixture": {"samples": 7}, "effectiveEpochs": {"samples": 2, "hh": 0.5}},
        "steerlm.json": {"levelCounts": {"quality": {"0": 3, "4": 9}}},
    },
}


def made(run):
    return how_it_was_made(run.inputs(*LAST), LAST[-1], run.prefix, run.scratch)


def test_the_curves_of_all_trainings_are_found_in_their_order(tmp_path):
    curves = made(Lineage(tmp_path, FILES)).curves
    assert list(curves) == ["train-apm", "train-acsft", "train-acsft-1"]
    assert curves["train-acsft"] == Curve(
        train=((1.0, 2.0), (3.0, 1.5), (4.0, 1.2)),
        validation=((2.0, 1.6), (4.0, 1.4)),
        best_step=4,
    )


def test_labels_of_the_data_stand_beside_those_of_the_final_model(tmp_path):
    found = made(Lineage(tmp_path, FILES))
    assert found.human_levels == {"quality": {0: 2, 4: 1}}
    assert found.trained_levels == {"quality": {0: 3, 4: 9}}
    assert found.sources == (DataSource("hh", "HhRlhf", 9, 1, {"a": 2}),)


def test_an_iteration_tells_what_was_asked_dropped_ranked_and_trained_on(tmp_path):
    (found,) = made(Lineage(tmp_path, FILES)).rounds
    assert found == Round(
        number=1,
        stage="sample-1",
        counts=(
            ("prompts", 3),
            ("prompts too long", 0),
            ("samples asked for", 6),
            ("dropped: cut by the token limit", 1),
            ("dropped: empty", 0),
            ("dropped: duplicates", 2),
            ("kept and labelled", 3),
            ("seen", 40),
        ),
        num_kept=2,
        num_too_long=1,
        combinations=(("quality 4, humor 0", 8),),
        warning="quality at 3",
        ranks=(RankRow(1, 2, 2, 1.5), RankRow(2, 1, 0, 1.5)),
        mixture=(MixtureRow("hh", None, 0.5), MixtureRow("samples", 7, 2.0)),
        num_trained=12,
    )
    assert (found.count("duplicates"), found.count("seen"), found.count("other")) == (2, 40, 0)


def test_a_run_whose_intermediate_results_were_deleted_is_told_as_far_as_it_is_known(tmp_path):
    run = Lineage(tmp_path, FILES)
    for stage in ("annotate-1", "sample-1", "train-acsft"):
        run.delete(stage)
    found = made(run)
    assert found.rounds == ()
    assert list(found.curves) == ["train-apm", "train-acsft-1"]
    assert [a.source.stage for a in found.ancestors if not a.is_there] == [
        "train-acsft",
        "annotate-1",
    ]


def test_artifacts_without_the_files_of_a_page_give_an_empty_one(tmp_path):
    found = made(Lineage(tmp_path))
    assert (found.curves, found.sources, found.human_levels, found.trained_levels) == (
        {},
        (),
        {},
        {},
    )
    assert found.rounds[0].counts == ()
