import re
from html.parser import HTMLParser

import pytest

from steerlm_jobs.contract.gates import GateResult
from steerlm_jobs.evaluation.figures import evaluation
from steerlm_jobs.evaluation.page.axes import round_ticks
from steerlm_jobs.evaluation.page.facts import PageFacts, curve_of
from steerlm_jobs.evaluation.page.render import report_page
from steerlm_jobs.evaluation.scorers import all_scorers
from tests.unit.evaluation.builders import SCHEMA
from tests.unit.evaluation.measured import JOKES, an_apm_figure, measured

TRAINING = {
    "loss": [2.0, None, 1.5, 1.2],
    "validation": [{"step": 2, "loss": 1.6}, {"step": 4, "loss": 1.4}],
    "bestStep": 4,
}


class Tags(HTMLParser):
    """Collects the tags and their attributes, and checks that they nest."""

    VOID = frozenset({"meta", "br", "hr", "link", "img"})

    def __init__(self):
        super().__init__()
        self.seen, self.open, self.texts = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def facts(found=None, **fields):
    found = found or measured()
    scorers = all_scorers(SCHEMA, [JOKES])
    figures = evaluation(found, scorers, {"humor": an_apm_figure()}, seed=1)
    defaults = {
        "curves": {"train-apm": curve_of(TRAINING), "new": curve_of({})},
        "human_levels": {"humor": {0: 5, 1: 2}},
        "trained_levels": {"humor": {0: 3, 1: 9, 2: 1}},
        "lineage": (("prepare", "f" * 43, "d" * 43),),
        "gates": (GateResult(metric="meter/jokes/spearman", value=1.0, bound=0.8, passed=True),),
    }
    return PageFacts(
        evaluation=figures, measured=found, scorers=tuple(scorers), **(defaults | fields)
    )


def parsed(page):
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    return tags


def test_words_of_prompts_and_answers_are_text_never_markup():
    hostile = "</div><script>alert(1)</script><img src=x onerror=alert(2)>"
    tags = parsed(report_page(facts(measured(answer=hostile))))
    assert "script" not in {tag for tag, _ in tags.seen}
    assert "img" not in {tag for tag, _ in tags.seen}
    assert hostile in tags.texts
    assert "<script>alert('prompt')</script>" in tags.texts


def test_names_of_stages_and_warnings_are_text_too():
    tags = parsed(
        report_page(facts(measured(models=("<b>new", "old")), lineage=(("<i>", "", ""),)))
    )
    assert not {"b>new", "i"} & {tag for tag, _ in tags.seen if tag != "i"}
    assert any("<b>new" in text for text in tags.texts)


def test_the_page_loads_nothing_and_says_so_to_the_browser():
    page = report_page(facts())
    tags = parsed(page)
    loading = {"src", "href", "srcset", "action", "poster", "data"}
    assert not [
        (t, a) for t, a in tags.seen if loading & set(a) or any(k.startswith("on") for k in a)
    ]
    assert "url(" not in page
    assert "@import" not in page
    assert (
        "meta",
        {
            "http-equiv": "Content-Security-Policy",
            "content": "default-src 'none'; style-src 'unsafe-inline'",
        },
    ) in tags.seen


def test_the_page_fits_a_phone_and_knows_dark_mode():
    page = report_page(facts())
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert "prefers-color-scheme: dark" in page


def test_figures_curves_histograms_samples_gates_and_lineage_are_there():
    text = " ".join(" ".join(parsed(report_page(facts())).texts).split())
    for said in (
        "1.00 to 1.00 · by the meter jokes",
        "jokes: asked 2 (hardly trained), measured 2.00",
        "step 4: validation loss 1.4000 (best)",
        "level 1: 9 (69.2%)",
        "What is it? It is. ha! ha!",
        "passed: meter/jokes/spearman",
        "f" * 43,
    ):
        assert said in text


def test_a_run_without_history_histograms_or_gates_has_a_page():
    empty = facts(curves={}, human_levels={}, trained_levels={}, gates=(), lineage=())
    page = report_page(empty)
    parsed(page)
    assert "<h2>Training</h2>" not in page
    assert "<h2>Gates</h2>" not in page


def test_a_run_where_nothing_could_be_measured_has_a_page():
    parsed(report_page(facts(measured(models=("new",), answer=None, scores={}))))


def test_no_number_of_a_drawing_is_missing():
    page = report_page(facts())
    assert not re.search(r"\b(nan|inf|None)\b", "".join(re.findall(r"<svg.*?</svg>", page, re.S)))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 4, [0, 1, 2, 3, 4]),
        (0, 120, [0, 25, 50, 75, 100]),
        (1.2, 1.9, [1.2, 1.4, 1.6, 1.8]),
        (3, 3, [3]),
    ],
)
def test_ticks_are_round_and_within_the_span(low, high, ticks):
    assert round_ticks(low, high) == pytest.approx(ticks)
