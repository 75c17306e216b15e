import gzip
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.data.readers.files import Record, records

LINES = b'{"n": 0}\n\n{"n": 1}\n'


def expected(path: Path) -> list[Record]:
    return [Record(f"{path}:1", {"n": 0}), Record(f"{path}:3", {"n": 1})]


def refusal(path: Path) -> str:
    return refusal_of(path).replace(f"{path.parent}/", "")


def refusal_of(path: Path) -> str:
    with pytest.raises(BadInputError) as caught:
        list(records(path))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


def a_file(folder: Path, data: bytes, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "packed",
    [
        LINES,
        b"\xef\xbb\xbf" + LINES,
        LINES.replace(b"\n", b"\r\n"),
        gzip.compress(LINES),
        gzip.compress(LINES[:5]) + gzip.compress(LINES[5:]),
        zstandard.compress(LINES),
        zstandard.compress(LINES[:5]) + zstandard.compress(LINES[5:]),
    ],
    ids=["plain", "byte-order-mark", "crlf", "gzip", "gzip-members", "zstd", "zstd-frames"],
)
def test_content_not_the_name_says_how_a_file_is_packed(tmp_path, packed):
    path = a_file(tmp_path, packed)
    assert list(records(path)) == expected(path)


def test_a_folder_is_read_in_name_order_without_hidden_and_other_files(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.jsonl", "a.jsonl.gz", "deep/c.json", ".hidden.jsonl", "README.md"):
        row = json.dumps({"name": name}).encode()
        a_file(tmp_path, gzip.compress(row) if name.endswith("gz") else row, name)
    names = [record.value["name"] for record in records(tmp_path)]
    assert names == ["a.jsonl.gz", "b.jsonl", "deep/c.json"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"n": 0}\n{"n": \n', "rows.jsonl:2: not JSON: Expecting value at column 6"),
        (b"[1]\n", "rows.jsonl:item 1: a record is a JSON object, not int"),
        (
            b'[{"n": 0},\n {"n": ',
            "rows.jsonl: item 2 of the array: not JSON: Expecting value; the file is damaged, "
            "or cut",
        ),
        (
            b'[{"n": 0} {"n": 1}]',
            "rows.jsonl: item 2 of the array: not JSON: expecting ',' or ']'; the file is damaged, "
            "or cut",
        ),
        (
            b'{"n": 0}\n{"n": "\xff"}\n',
            "rows.jsonl:2: not UTF-8 text (invalid start byte at byte 8 of the line)",
        ),
        (b'{"n": ' + b"[" * 200_000, "rows.jsonl:1: JSON nested too deeply"),
    ],
    ids=["cut", "list", "cut array", "no comma", "latin-1", "deep"],
)
def test_a_line_that_is_no_record_is_named(tmp_path, data, message):
    assert refusal(a_file(tmp_path, data)) == message


@pytest.mark.parametrize("size", [1, 7, 1 << 18])
def test_an_array_is_read_item_by_item(tmp_path, monkeypatch, size):
    monkeypatch.setattr("steerlm_jobs.data.readers.files._BLOCK_BYTES", size)
    rows = [{"n": number, "text": "ä ] , [ {"} for number in range(20)]
    for indent in (None, 2):
        data = json.dumps(rows, indent=indent, ensure_ascii=False).encode()
        found = list(records(a_file(tmp_path, b"\xef\xbb\xbf " + data, "rows.json")))
        assert [record.value for record in found] == rows
        assert found[2].place == f"{tmp_path}/rows.json:item 3"
    assert list(records(a_file(tmp_path, b" [ ]", "rows.json"))) == []


def test_an_integer_that_python_does_not_read_is_named(tmp_path):
    message = refusal(a_file(tmp_path, b'{"n": ' + b"7" * 5000 + b"}"))
    assert message.startswith("rows.jsonl:1: not JSON that can be read: Exceeds the limit")


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, "gz"), (zstandard.compress, "zst")])
def test_a_cut_file_is_refused_after_its_last_whole_line(tmp_path, pack, suffix):
    rows = b"".join(b'{"n": %d}\n' % number for number in range(200_000))
    packed = pack(rows)
    message = refusal(a_file(tmp_path, packed[: len(packed) // 2], f"rows.jsonl.{suffix}"))
    assert message.startswith(f"rows.jsonl.{suffix}: cannot be unpacked after line ")
    assert "the file is damaged or cut" in message


def test_a_damaged_gzip_is_refused(tmp_path):
    packed = bytearray(gzip.compress(LINES * 50))
    packed[20:30] = bytes(10)
    assert "cannot be unpacked after line" in refusal(a_file(tmp_path, bytes(packed)))


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.jsonl.zst"])
def test_a_plain_file_under_a_packed_name_is_refused(tmp_path, name):
    kind = name.rpartition(".")[2]
    assert refusal(a_file(tmp_path, LINES, name)) == (
        f"{name}: not a {kind} file although its name says so"
    )


@pytest.mark.parametrize("name", ["rows.csv", "Rows.CSV.gz", "my rows.tsv"])
def test_csv_is_refused_with_a_line_that_makes_a_file_of_it_that_can_be_read(tmp_path, name):
    lines = ["prompt,response,helpfulness", '"What, why?","Yes,\nno.",3', "q,a,"]
    data = "\n".join(lines).encode()
    if name.endswith("tsv"):
        data = b'prompt\tresponse\thelpfulness\n"What, why?"\t"Yes,\nno."\t3\nq\ta\t\n'
    path = a_file(tmp_path, gzip.compress(data) if name.endswith("gz") else data, name)
    message = refusal_of(path)
    assert message.startswith(f"{path}: CSV is not read; make Parquet of it: {sys.executable} -c ")
    command = shlex.split(message.partition("make Parquet of it: ")[2])
    subprocess.run(command, check=True)
    (made,) = tmp_path.glob("*.parquet")
    assert [record.value for record in records(made)] == [
        {"prompt": "What, why?", "response": "Yes,\nno.", "helpfulness": 3},
        {"prompt": "q", "response": "a", "helpfulness": None},
    ]


def test_a_folder_of_csv_is_refused_with_what_it_holds_and_the_same_line(tmp_path):
    path = a_file(tmp_path, b"a,b", "b.csv")
    a_file(tmp_path, b"", "a.txt")
    message = refusal_of(tmp_path)
    assert "; it holds a.txt, b.csv; make Parquet of it: " in message
    assert repr(str(path)) in message


def test_csv_under_another_name_is_suspected(tmp_path):
    message = refusal(a_file(tmp_path, b"prompt,response\nq,a\n"))
    assert message == (
        "rows.jsonl:1: not JSON: Expecting value at column 1; a line is one JSON object, {...}: "
        "is this CSV or plain text?"
    )


def test_nothing_there_is_refused(tmp_path):
    assert refusal(tmp_path / "rows.jsonl") == (
        "rows.jsonl: no such file or folder; check the uri of the data source"
    )
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty").startswith("empty: the folder holds no data file (.jsonl")
