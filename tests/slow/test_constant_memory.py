"""Reading needs the same memory at any number of conversations. A million: docs/results.md."""

import hashlib
import tracemalloc
from pathlib import Path

import pytest

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.recipes import PrepareRecipe, Source
from steerlm_jobs.data.corpus import file_name, write_corpus
from steerlm_jobs.data.evaluation_prompts import write_prompts_of_validation
from steerlm_jobs.data.inspect import inspect
from steerlm_jobs.data.readers.source import SourceReader
from steerlm_jobs.data.split import VALIDATION
from steerlm_jobs.process.progress import ProgressWriter
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.store.jsonl import write_jsonl
from tests.unit.data.builders import a_rating

pytestmark = pytest.mark.slow


def a_text(name: str) -> str:
    """Return 512 letters that pack about as well as prose does."""
    return "".join(hashlib.sha256(f"{name} {part}".encode()).hexdigest() for part in range(8))


def read(folder: Path, num_conversations: int) -> None:
    """Everything that prepare and `data inspect` do with the conversations."""
    path = folder / "hs.jsonl.zst"
    ratings = (
        a_rating(a_text(f"q{i}"), a_text(f"a{i}"), helpfulness=i % 5)
        for i in range(num_conversations)
    )
    write_jsonl(path, ratings)
    recipe = PrepareRecipe(
        attributes=(Attribute(name="helpfulness"),), labelled=(Source(name="hs"),)
    )
    found = write_corpus(recipe, {"hs": path}, folder / "out", StopFlag(), ProgressWriter())
    held_out = [folder / "out" / file_name("labelled", VALIDATION)]
    write_prompts_of_validation(held_out, found.training_prompts, folder / "prompts.jsonl")
    assert inspect(SourceReader(path), None).distinct_conversations == num_conversations


def peak_bytes(folder: Path, num_conversations: int) -> int:
    folder.mkdir()
    tracemalloc.start()
    read(folder, num_conversations)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_ten_times_the_conversations_need_no_more_memory(tmp_path):
    peak_bytes(tmp_path / "warm", 100)  # modules are loaded, caches filled
    small, large = peak_bytes(tmp_path / "small", 400), peak_bytes(tmp_path / "large", 4000)
    assert large < small + 100_000  # a set of 4000 keys is larger
