"""The largest report that the API allows fits into a termination message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.gates import Gate, MetricValue, decide_gates
from steerlm_jobs.contract.gates import outcomes as outcomes_of
from steerlm_jobs.contract.report import MAX_REPORT_BYTES, PrepareFindings, Report, fit_report

DIGEST = "w" * 43
digests = st.sampled_from([DIGEST, ""])
six_digits = st.floats(-1e6, 1e6).map(lambda x: float(f"{x:.6g}"))
figures = st.none() | six_digits
outcomes = st.tuples(figures, st.just(value=True)) | st.tuples(
    figures, figures, figures, st.just(value=False)
)
lines = st.lists(st.text(max_size=300), max_size=20).map(tuple)
findings = st.builds(
    PrepareFindings,
    roots=st.dictionaries(st.text("abcdefgh-", min_size=1, max_size=63), digests, max_size=19),
    existing=st.lists(digests, min_size=0, max_size=55).map(tuple),
    gates=st.lists(outcomes, max_size=16).map(tuple),
)
reports = st.fixed_dictionaries(
    {
        "exit_code": st.sampled_from(ExitCode),
        "message": st.text(max_size=2000),
        "fingerprint": digests,
        "digest": digests,
        "is_cached": st.booleans(),
        "notes": lines,
        "prepare": st.none() | findings,
        "metrics": st.dictionaries(st.text(max_size=60), st.text(max_size=60), max_size=60),
    }
).map(Report.model_validate)


@given(reports)
def test_every_report_fits_and_keeps_what_decisions_need(report: Report):
    text = fit_report(report)
    assert len(text.encode()) <= MAX_REPORT_BYTES
    cut = Report.model_validate_json(text)
    for name in ("exit_code", "fingerprint", "digest", "is_cached", "gates"):
        assert getattr(cut, name) == getattr(report, name)
    if report.prepare is not None:
        assert cut.prepare is not None
        assert cut.prepare.existing == report.prepare.existing
        assert cut.prepare.gates == report.prepare.gates
    assert report.message.startswith(cut.message)
    assert report.notes[: len(cut.notes)] == cut.notes
    assert list(report.metrics.items())[: len(cut.metrics)] == list(cut.metrics.items())


@given(reports)
def test_a_report_that_fits_is_left_alone(report: Report):
    report = report.model_copy(update={"message": report.message[:600]})
    if len(report.model_dump_json(by_alias=True, exclude_defaults=True).encode()) <= 4096:
        assert Report.model_validate_json(fit_report(report)) == report


def test_the_largest_prepare_keeps_most_roots_and_one_of_usual_names_keeps_all():
    def largest(width: int) -> Report:
        roots = {f"{n:02d}".ljust(width, "x"): DIGEST for n in range(19)}
        gates = ((0.123456, True),) * 16
        found = PrepareFindings(roots=roots, existing=(DIGEST,) * 55, gates=gates)
        report = Report(
            exit_code=ExitCode.OK, fingerprint=DIGEST, digest=DIGEST, notes=("n",), prepare=found
        )
        return Report.model_validate_json(fit_report(report))

    kept = [len(largest(width).prepare.roots) for width in (8, 40)]
    assert kept[0] >= 17
    assert kept[1] >= 10


def test_the_most_gates_that_a_run_may_have_fit_with_their_intervals_all_of_them_missed():
    metric = f"steerability/{'x' * 40}/spearman"
    gate = Gate(metric=metric, max=-0.123456789012345678)
    value = MetricValue(value=0.12345678901234567, lower=-0.12345678, upper=0.12345678)
    results = decide_gates([gate] * 16, {metric: value})
    report = Report(exit_code=ExitCode.OK, fingerprint=DIGEST, digest=DIGEST, gates=results)
    assert Report.model_validate_json(fit_report(report)) == report
    found = PrepareFindings(roots={}, existing=(DIGEST,) * 55, gates=outcomes_of(results))
    prepared = Report(exit_code=ExitCode.OK, fingerprint=DIGEST, digest=DIGEST, prepare=found)
    assert Report.model_validate_json(fit_report(prepared)) == prepared


def test_what_cannot_be_cut_is_refused():
    found = PrepareFindings(roots={}, existing=(DIGEST,) * 100)
    with pytest.raises(ValueError, match="cannot be cut to 4096"):
        fit_report(Report(exit_code=ExitCode.OK, prepare=found))
