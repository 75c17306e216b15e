from pathlib import Path

import pytest

from steerlm_operator.local.errors import SecretMissingError
from steerlm_operator.local.secrets import require_secrets
from tests.scenario.runs import a_run

JUDGE = {"endpointUrl": "https://judge/v1", "model": "j", "secretName": "my-judge.key"}
NEEDED = a_run(stages={"evaluate": {"judge": JUDGE}}).spec


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STEERLM_JUDGE_KEY_DIR", raising=False)
    monkeypatch.delenv("MY_JUDGE_KEY", raising=False)


def test_a_run_whose_judge_has_no_key_does_not_begin() -> None:
    with pytest.raises(SecretMissingError, match="set the environment variable MY_JUDGE_KEY"):
        require_secrets(NEEDED)


def test_a_key_may_be_a_variable_or_a_mounted_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MY_JUDGE_KEY", "k")
    require_secrets(NEEDED)
    monkeypatch.delenv("MY_JUDGE_KEY")
    (tmp_path / "apiKey").write_text("k")
    monkeypatch.setenv("STEERLM_JUDGE_KEY_DIR", str(tmp_path))
    require_secrets(NEEDED)


def test_a_run_without_judge_or_with_an_open_one_needs_no_key() -> None:
    require_secrets(a_run().spec)
    judge = {"endpointUrl": "http://judge/v1", "model": "j"}
    require_secrets(a_run(stages={"evaluate": {"judge": judge}}).spec)
