"""Who is measured by the benchmark of the operator."""

from pathlib import Path

import pytest

from benchmarks.operator.__main__ import at_hand
from benchmarks.operator.contenders import Contender


def test_without_what_builds_argo_all_others_are_measured_after_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said: list[str] = []
    asked = [Contender.OPERATOR, Contender.ARGO, Contender.ARGO_TUNED]
    assert at_hand(asked, said.append) == [Contender.OPERATOR]
    (line,) = said
    assert line.startswith("without Argo: no `go` on PATH")
    assert "\n" not in line


def test_nobody_looks_for_argo_if_it_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said: list[str] = []
    asked = [Contender.OPERATOR, Contender.FLOOR_ON_PODS]
    assert at_hand(asked, said.append) == asked
    assert said == []
