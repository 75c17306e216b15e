"""JSON Lines: the same bytes for the same rows, and one line for a damaged file."""

from pathlib import Path

import pytest

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.store.jsonl import compressed_rows, encode_row, read_jsonl, write_jsonl

ROWS = [{"b": "é\n", "a": 1}, {"nested": {"z": [1.5], "y": None}}]


def test_a_row_has_one_spelling():
    assert encode_row(ROWS[0]) == '{"a":1,"b":"é\\n"}\n'.encode()


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.zst"])
def test_rows_survive(tmp_path: Path, name: str):
    assert write_jsonl(tmp_path / "new" / name, iter(ROWS)) == 2
    assert list(read_jsonl(tmp_path / "new" / name)) == ROWS


def test_compression_is_deterministic_and_independent_of_key_order(tmp_path: Path):
    write_jsonl(tmp_path / "1.jsonl.zst", ROWS)
    write_jsonl(tmp_path / "2.jsonl.zst", [dict(reversed(row.items())) for row in ROWS])
    assert (tmp_path / "1.jsonl.zst").read_bytes() == (tmp_path / "2.jsonl.zst").read_bytes()
    assert compressed_rows(ROWS) == compressed_rows(iter(ROWS))


def test_not_a_number_is_refused():
    with pytest.raises(ValueError, match="Out of range float"):
        encode_row({"a": float("nan")})


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b'{"a":1}\n{"a"', ":2: not JSON"), (b'{"a":1}\n[1]\n', ":2: not a JSON object")],
)
def test_damaged_lines_are_named(tmp_path: Path, data: bytes, reason: str):
    (tmp_path / "x.jsonl").write_bytes(data)
    with pytest.raises(BadInputError, match=reason):
        list(read_jsonl(tmp_path / "x.jsonl"))


def test_damaged_compression_is_named(tmp_path: Path):
    (tmp_path / "x.jsonl.zst").write_bytes(b"not zstd at all")
    with pytest.raises(BadInputError, match="damaged zstd"):
        list(read_jsonl(tmp_path / "x.jsonl.zst"))
