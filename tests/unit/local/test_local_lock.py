import os
import subprocess
import sys

import pytest

from steerlm_operator.local.errors import WorkdirLockedError
from steerlm_operator.local.lock import WorkdirLock


def test_second_holder_is_told_the_pid_of_the_first(tmp_path):
    path = tmp_path / "run" / ".steerlm" / "lock"
    path.parent.mkdir(parents=True)
    with WorkdirLock(path), pytest.raises(WorkdirLockedError) as caught, WorkdirLock(path):
        pass
    assert f"pid {os.getpid()}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lock_is_free_after_its_block(tmp_path):
    path = tmp_path / "lock"
    with WorkdirLock(path):
        pass
    with WorkdirLock(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_lock_ends_with_a_killed_holder(tmp_path):
    path = tmp_path / "lock"
    hold = (
        "import sys; from pathlib import Path\n"
        "from steerlm_operator.local.lock import WorkdirLock\n"
        "lock = WorkdirLock(Path(sys.argv[1])); lock.__enter__(); print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
    with WorkdirLock(path):
        pass
