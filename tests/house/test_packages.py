import re

import pytest

from tests.house.repository import PACKAGES, ROOT, python_files, run_python, settings

BANNED_NAMES = {
    *("utils", "helpers", "common", "misc", "base", "manager"),
    *(
        "controller",
        "trainer",
        "operator",
        "pipeline",
    ),  # named after the product: no boundary, so they grow
}


def test_operator_folder_is_not_a_package() -> None:
    """With an __init__.py the folder would hide the standard library's `operator`."""
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_standard_operator_wins_from_the_repository_root() -> None:
    assert str(ROOT / "operator") not in run_python("import operator; print(operator.__file__)")


@pytest.mark.parametrize(
    "module",
    ["steerlm_operator.core.plan", "steerlm_operator.api.loading", "steerlm_operator.cli.verbs"],
)
def test_importing_the_operator_loads_nothing_heavy(module: str) -> None:
    loaded = run_python(f"import {module}, sys; print(*sys.modules)").split()
    assert not {"torch", "transformers", "deepspeed", "numpy", "fsspec", "kopf"} & set(loaded)


def test_the_contract_needs_pydantic_only() -> None:
    loaded = run_python(
        "import steerlm_jobs.contract.config, steerlm_jobs.contract.report, sys; "
        "print(*sys.modules)"
    )
    assert not {"yaml", "rich", "typer", "numpy", "fsspec", "torch"} & set(loaded.split())


def test_no_file_has_a_name_without_a_boundary() -> None:
    assert [path for path in python_files() if path.stem in BANNED_NAMES] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_layers_name_every_package_on_disk(package: str) -> None:
    on_disk = {path.stem for path in PACKAGES[package].iterdir() if _is_importable(path.name)}
    assert _layers(package) == on_disk


def test_every_stage_kind_is_one_file_and_every_file_a_kind() -> None:
    kinds = run_python(
        "from steerlm_jobs.contract.kinds import StageKind; print(*StageKind)"
    ).split()
    stages = {path.stem for path in (PACKAGES["steerlm_jobs"] / "stages").glob("*.py")} - {
        "__init__"
    }
    assert {kind.replace("-", "_") for kind in kinds} == stages


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_opens_with_its_charter(package: str) -> None:
    folders = {path.parent for path in PACKAGES[package].rglob("*.py")} - {PACKAGES[package]}
    bare = [folder for folder in folders if not _charter(folder / "__init__.py")]
    assert bare == []


def _is_importable(name: str) -> bool:
    return name not in {"__init__.py", "__pycache__", "py.typed"} and not name.startswith(".")


def _layers(package: str) -> set[str]:
    contracts = settings("importlinter")["contracts"]
    layers = next(c["layers"] for c in contracts if c.get("containers") == [package])
    return {name for layer in layers for name in re.findall(r"\w+", layer)}


def _charter(init: object) -> str:
    path = ROOT / str(init)
    return path.read_text().strip().removeprefix('"""') if path.exists() else ""
