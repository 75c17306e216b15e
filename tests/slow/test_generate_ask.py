from pathlib import Path

import pytest

from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.generate.ask import answer
from steerlm_jobs.store.artifacts import ArtifactReader
from tests.slow.tiny_run import TinyRun

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    run = TinyRun(tmp_path_factory.mktemp("run"))
    return ArtifactReader.open(run.acsft(), run.folder / "scratch").folder()


def test_labels_change_the_answer_and_targets_fill_the_rest(folder):
    top = answer(folder, "What?", {}, max_new_tokens=20)
    low = answer(folder, "What?", {"quality": 1}, max_new_tokens=20)
    assert top.labels == {"quality": 4, "humor": 0}
    assert low.labels == {"quality": 1, "humor": 0}
    assert top.text != low.text
    assert (top.untrained, low.untrained) == ({}, {"quality": 1})


def test_the_same_question_has_the_same_answer(folder):
    assert answer(folder, "What?", {}, max_new_tokens=20) == answer(
        folder, " What?\n", {}, max_new_tokens=20
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"wit": 1}, r"unknown attribute 'wit'; this model knows quality 0\.\.4, humor 0\.\.2"),
        ({"humor": 3}, r"humor=3 is outside 0\.\.2"),
    ],
)
def test_labels_that_cannot_be_asked_for_are_refused(folder, labels, message):
    with pytest.raises(BadConfigError, match=message):
        answer(folder, "What?", labels, max_new_tokens=5)


def test_a_prompt_that_does_not_fit_is_refused(folder):
    with pytest.raises(BadConfigError, match="too long"):
        answer(folder, "x" * 600, {}, max_new_tokens=5)


def test_a_folder_of_another_model_is_refused(tmp_path):
    with pytest.raises(BadConfigError, match=r"steerlm\.json"):
        answer(Path(tmp_path), "What?", {}, max_new_tokens=5)
