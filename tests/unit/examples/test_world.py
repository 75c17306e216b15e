import gzip
import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from examples.world import world_files, write_if_changed
from examples.world_language import CLAUSES, ORACLE

DATA = Path(__file__).parents[3] / "examples" / "data"


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return world_files()


def test_committed_data_are_what_the_generator_writes(files: dict[str, str]) -> None:
    assert {path.name: _text(path) for path in DATA.iterdir()} == files


def test_committed_archives_hold_no_time() -> None:
    assert {path.read_bytes()[4:8] for path in DATA.glob("*.gz")} == {bytes(4)}


def test_data_stay_small_enough_to_commit() -> None:
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 400_000


def test_the_oracle_counts_each_kind_of_clause_and_no_other() -> None:
    for name, places in CLAUSES.items():
        for clause in chain.from_iterable(places):
            counts = {meter: len(re.findall(pattern, clause)) for meter, pattern in ORACLE.items()}
            assert counts == {meter: int(meter == name) for meter in ORACLE}


def test_labels_agree_with_the_oracle_but_for_annotators_slips(files: dict[str, str]) -> None:
    rows = [json.loads(line) for line in files["helpsteer.jsonl.gz"].splitlines()]
    errors = [abs(row["verbosity"] - _count("verbosity", row["response"])) for row in rows]
    assert max(errors) == 1
    assert 0.02 < sum(errors) / len(errors) < 0.15


def test_permuted_labels_leave_the_texts_and_the_histogram_of_labels(
    files: dict[str, str],
) -> None:
    permuted = world_files(permute_labels=True)
    messages, shuffled = (list(_answers(f["oasst.trees.jsonl.gz"])) for f in (files, permuted))
    assert [m["text"] for m in messages] == [m["text"] for m in shuffled]
    assert _correlation(messages) > 0.95
    assert abs(_correlation(shuffled)) < 0.1


def test_no_evaluation_question_stands_in_the_training_data(files: dict[str, str]) -> None:
    asked = [json.loads(line)["prompt"] for line in files["prompts.jsonl"].splitlines()]
    training = "".join(text for name, text in files.items() if name != "prompts.jsonl")
    assert len(set(asked)) == 64
    assert not [question for question in asked if question in training]


def test_bad_answers_are_marked_for_the_filters(files: dict[str, str]) -> None:
    rejected = [
        message
        for message in _answers(files["oasst.trees.jsonl.gz"], with_rejected=True)
        if message["deleted"] or not message["review_result"]
    ]
    assert {m["text"] for m in rejected} == {"Who let the dog type?", "Buy my hats!"}


def test_an_unchanged_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    foreign = gzip.compress(b"text\n", compresslevel=1, mtime=5)
    path.write_bytes(foreign)
    write_if_changed(path, "text\n")
    assert path.read_bytes() == foreign
    write_if_changed(path, "other\n")
    assert gzip.decompress(path.read_bytes()) == b"other\n"


def _text(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def _count(name: str, text: str) -> int:
    return len(re.findall(ORACLE[name], text))


def _answers(text: str, *, with_rejected: bool = False) -> Iterator[dict[str, Any]]:
    stack = [json.loads(line)["prompt"] for line in text.splitlines()]
    while stack:
        message = stack.pop()
        stack += message["replies"]
        is_good = not message["deleted"] and message["review_result"]
        if message["role"] == "assistant" and (is_good or with_rejected):
            yield message


def _correlation(messages: list[dict[str, Any]]) -> float:
    humor = [message["labels"]["humor"]["value"] for message in messages]
    jokes = [float(_count("humor", message["text"])) for message in messages]
    return _pearson(humor, jokes)


def _pearson(xs: list[float], ys: list[float]) -> float:
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    covariance = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    spread_x = sum((x - mean_x) ** 2 for x in xs)
    spread_y = sum((y - mean_y) ** 2 for y in ys)
    return covariance / float((spread_x * spread_y) ** 0.5)
