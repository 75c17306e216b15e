"""Exit codes are part of the contract."""

from steerlm_jobs.contract import errors
from steerlm_jobs.contract.errors import NEVER_RETRIED, ExitCode, StageError


def test_exit_codes_are_never_renumbered():
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "BUG": 1,
        "BAD_USAGE": 2,
        "GATE_FAILED": 3,
        "BAD_CONFIG": 10,
        "BAD_INPUT": 11,
        "DIVERGED": 12,
        "OUT_OF_MEMORY": 13,
        "STORE_UNAVAILABLE": 20,
        "INTERRUPTED": 21,
        "STALLED": 22,
    }


def test_each_error_has_a_code_of_its_own():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, StageError) and kind is not StageError
    ]
    codes = [kind.exit_code for kind in kinds]
    of_commands = {ExitCode.OK, ExitCode.BUG, ExitCode.BAD_USAGE, ExitCode.GATE_FAILED}
    assert set(codes) == set(ExitCode) - of_commands
    assert len(codes) == len(set(codes))


def test_what_would_end_the_same_way_is_not_retried():
    assert sorted(NEVER_RETRIED) == [10, 11, 12, 13]
