"""`steerlm data export` from the command line."""

from pathlib import Path

from steerlm_jobs.contract.errors import ExitCode
from tests.unit.cli.test_command_line import called


def test_data_is_exported_as_nemo_writes_it(monkeypatch, capsys, tmp_path):
    golden = Path(__file__).parents[2] / "golden/nemo/regression.jsonl"
    output = tmp_path / "out.jsonl"
    options = ["--to", "NemoRegression", "--output", str(output)]
    assert called(monkeypatch, capsys, "data", "export", str(golden), *options)[0] == 0
    assert output.read_bytes() == golden.read_bytes()
    again, _, _ = called(monkeypatch, capsys, "data", "export", str(golden), *options)
    assert again == ExitCode.BAD_CONFIG
