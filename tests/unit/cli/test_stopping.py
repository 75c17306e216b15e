import os
import signal
import subprocess
import sys
import time

import pytest

from steerlm_jobs.contract.errors import ExitCode
from steerlm_operator.cli.stopping import STOPPED, StoppedError, stoppable
from steerlm_operator.local import commands
from steerlm_operator.local.commands import program_output, run_program

SAID = "steerlm: stopping ...\n"
STOPPED_WHILE_IT_LOADS = """
import os, signal, sys

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "steerlm_operator.cli.verbs":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Impatient())
sys.argv = ["steerlm", "--help"]
from steerlm_operator.cli.main import main
main()
"""
"""Ctrl-C while the verbs are being loaded, which takes most of a short command's time."""


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(autouse=True)
def _signals_are_heard():
    """A shell starts what it does not wait for with SIGINT ignored, and that is inherited."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_gets_one_line_at_once_and_ends_the_command(capfd, number):
    before = signal.getsignal(number)
    with pytest.raises(StoppedError), stoppable():
        signal.raise_signal(number)
    assert capfd.readouterr() == ("", SAID)
    assert signal.getsignal(number) is before


def test_nohup_is_left_alone():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_early_ctrl_c_ends_with_the_documented_code_and_no_traceback():
    done = subprocess.run(
        [sys.executable, "-c", STOPPED_WHILE_IT_LOADS], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.INTERRUPTED, "", SAID)
    assert STOPPED == ExitCode.INTERRUPTED


@pytest.mark.parametrize("call", [run_program, program_output])
def test_a_program_that_a_command_waits_for_dies_with_it(tmp_path, monkeypatch, capfd, call):
    impatient = (
        f"import os, signal, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()));"
        f"os.kill({os.getpid()}, signal.SIGINT); time.sleep(600)"
    )
    monkeypatch.setattr(commands, "JOBS_PROGRAM", (sys.executable, "-c", impatient))
    with pytest.raises(StoppedError), stoppable():
        call([])
    assert capfd.readouterr().err == SAID
    program = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 60
    while is_there(program):
        assert time.monotonic() < until


def test_ctrl_c_at_the_terminal_does_not_reach_the_program_itself(monkeypatch, capfd):
    own_group = "import os; print(os.getpgid(0) == os.getpid())"
    monkeypatch.setattr(commands, "JOBS_PROGRAM", (sys.executable, "-c", own_group))
    assert run_program([]) == 0
    assert capfd.readouterr().out == "True\n"


def test_the_jobs_program_has_no_traceback_for_an_early_ctrl_c_either():
    program = STOPPED_WHILE_IT_LOADS.replace("steerlm_operator.cli.verbs", "pydantic")
    program = program.split("from steerlm_operator")[0]
    program += "import runpy; runpy.run_module('steerlm_jobs', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (ExitCode.INTERRUPTED, "stopped\n")
