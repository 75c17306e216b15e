import ast

from tests.house.repository import PACKAGES


def commits_of_stages():
    """Yield (file, keywords) of each call that seals the result of a stage."""
    root = PACKAGES["steerlm_jobs"]
    for file in (*(root / "stages").glob("*.py"), root / "evaluation" / "sealing.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "commit":
                yield file.name, {keyword.arg for keyword in node.keywords}


def test_every_stage_seals_what_it_noted_with_its_result():
    found = list(commits_of_stages())
    assert len(found) == 6
    assert [name for name, keywords in found if "notes" not in keywords] == []
