"""The records on the page of data formats are read as the format under whose heading they stand."""

import json
import re
from pathlib import Path

from steerlm_jobs.contract.recipes import DataFormat
from steerlm_jobs.data.readers.detect import READABLE
from steerlm_jobs.data.readers.source import SourceReader

PAGE = Path(__file__).parents[3] / "docs/reference/data-formats.md"
EXAMPLE = re.compile(r"```json\n(.*?)\n```", re.DOTALL)


def examples() -> list[tuple[str, str]]:
    """(heading, record) of each example."""
    _, *parts = PAGE.read_text().split("\n## ")
    return [
        (part.partition("\n")[0], found[1]) for part in parts for found in EXAMPLE.finditer(part)
    ]


def test_every_format_has_an_example_that_is_read_as_it(tmp_path):
    assert {heading for heading, _ in examples()} == set(READABLE) == {*DataFormat} - {"Auto"}
    for heading, record in examples():
        path = tmp_path / "one.jsonl"
        path.write_text(f"{json.dumps(json.loads(record))}\n")
        reader = SourceReader(path)
        assert reader.format() == heading
        is_half = "parent_id" in record  # the row of an answer, without its question's
        assert len(list(reader.raw())) == (2 if heading == "HhRlhf" else not is_half)
