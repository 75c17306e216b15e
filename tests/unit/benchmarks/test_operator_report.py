"""The tables of the operator's benchmark."""

from benchmarks.operator.chains import Link, Transition
from benchmarks.operator.contenders import Contender
from benchmarks.operator.contest import Measured
from benchmarks.operator.report import tables
from benchmarks.operator.usage import Usage


def test_what_a_contender_does_not_do_is_left_open_in_its_row() -> None:
    seen = [Transition(Link("r", i), 10.0, None, 10.25 + i, 10.5 + i) for i in range(2)]
    usage = Usage(cpu_seconds=1.0, resident_mib=70.4, peak_mib=71.6)
    measured = Measured(Contender.ARGO, 1, 0.0, seen, 8.4, 35.04, 274.3, usage)
    heads, rule, row, *_ = tables([measured]).splitlines()
    assert (
        row == "| 1 | 0 | argo | 2 | 250 | 1250 | 500 | 1500 | - | - | 8 | 35.0 | 274.3 | 70 | 72 |"
    )
    assert heads.count("|") == rule.count("|") == row.count("|")
