"""The store suite on memory and on a local folder; S3 is in tests/slow."""

import itertools
from pathlib import Path

import pytest

from tests.unit.store.suite import StoreSuite

_numbers = itertools.count()


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def prefix(self) -> str:
        return f"memory://suite-{next(_numbers)}"


class TestLocalStore(StoreSuite):
    @pytest.fixture
    def prefix(self, tmp_path: Path) -> str:
        return f"file://{tmp_path}/with%20space"


class TestPlainPath(StoreSuite):
    @pytest.fixture
    def prefix(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.chdir(tmp_path)
        return "runs/relative"
