import re
from html import escape

import pytest

from steerlm_jobs.contract.recipes import MeterRule
from steerlm_jobs.evaluation.figures import evaluation
from steerlm_jobs.evaluation.page.made import Made
from steerlm_jobs.evaluation.page.render import report_page
from steerlm_jobs.evaluation.scorers import all_scorers
from tests.unit.evaluation.builders import SCHEMA
from tests.unit.evaluation.measured import an_apm_figure, measured
from tests.unit.evaluation.page_facts import (
    Page,
    a_judgement,
    a_making,
    a_round,
    an_ancestor,
    some_facts,
)

pytestmark = pytest.mark.slow  # seconds of the minute that make check may take

HOSTILE = [
    "</div><script>alert(1)</script><img src=x onerror=alert(2)>",
    '" onmouseover="alert(3)" class="',
    "' autofocus onfocus='alert(4)",
    "</style></title></svg><svg onload=alert(5)>",
    "{{ 7 * 7 }}{% raw %}",
    "<!-- <![CDATA[ --!> javascript:alert(6)",
    "&lt;b&gt; &amp;amp;",
    "\u202eleft to right\u2066",
]


def a_page_of(text):
    """Return a page on which a text stands in every place that has one."""
    found = measured(models=(text, "old"), prompts=(text, "Why?"), answer=text)
    scorers = all_scorers(SCHEMA, [MeterRule(name=text, attribute="humor", pattern="ha!")])
    figures = evaluation(found, scorers, {}, seed=1)
    figures = figures.model_copy(update={"warnings": (text,), "judge": a_judgement(text)})
    return Page(report_page(some_facts(found, text, evaluation=figures, scorers=scorers)))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_text_changes_what_a_page_consists_of(hostile):
    page, harmless = a_page_of(hostile), a_page_of("a harmless text")
    assert page.structure == harmless.structure
    assert hostile in page.texts
    assert page.text.count(hostile) == harmless.text.count("a harmless text") > 20


def test_strangers_words_do_not_reorder_the_page_around_them():
    page = report_page(some_facts(measured(prompts=("\u202ebackwards",), answer="\u05d0")))
    assert '<div class="question" dir="auto">\u202ebackwards</div>' in page
    assert '<div class="text" dir="auto">\u05d0</div>' in page


def test_the_page_loads_nothing_and_says_so_to_the_browser():
    page = Page(report_page(some_facts()))
    loading = {"src", "srcset", "action", "poster", "data", "xlink:href", "style"}
    for tag, attributes in page.seen:
        assert not loading & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        assert tag not in {"script", "link", "iframe", "object", "img", "form", "base"}
        assert attributes.get("href", "#").startswith("#")
    assert not re.search(r"url\(|@import", report_page(some_facts()))
    assert (
        "meta",
        {
            "http-equiv": "Content-Security-Policy",
            "content": "default-src 'none'; style-src 'unsafe-inline'",
        },
    ) in page.seen


def test_every_link_leads_to_a_part_that_is_there():
    for facts in (some_facts(), some_facts(made=Made(), gates=())):
        page = Page(report_page(facts))
        ids = [a["id"] for _, a in page.seen if "id" in a]
        assert len(ids) == len(set(ids))
        assert {a["href"][1:] for tag, a in page.seen if tag == "a"} <= set(ids)
        assert {a["aria-labelledby"] for _, a in page.seen if "aria-labelledby" in a} <= set(ids)


def test_drawings_tables_and_what_scrolls_have_names_and_are_reached_by_keyboard():
    page = Page(report_page(some_facts()))
    for tag, attributes in page.seen:
        if tag == "svg":
            is_named = attributes.get("role") == "img" and attributes["aria-label"]
            assert is_named or attributes.get("aria-hidden") == "true"
        if attributes.get("class") in {"scroll", "card scroll", "card scroll below", "columns"}:
            assert attributes["tabindex"] == "0"
            assert attributes["role"] == "region"
            assert attributes["aria-label"]
        if tag == "th":
            assert attributes["scope"] in {"row", "col"}


def test_a_drawing_says_in_words_what_it_shows():
    labels = [a.get("aria-label", "") for _, a in Page(report_page(some_facts())).seen]
    for said in (
        "humor: measured level by requested level. jokes: 0 gives 0.00, 1 gives 1.00, 2 gives 2.00."
        " apm: 0 gives 0.25, 1 gives 1.25, 2 gives 2.25. jokes, train-acsft: 0 gives 0.00,"
        " 1 gives 0.00, 2 gives 0.00.",
        "humor, Spearman by jokes: 1.00 [1.00, 1.00] between -1 and 1",
        "humor: mean words per answer by requested level. 0 gives 4.7, 1 gives 5.7, 2 gives 6.7",
        "plain: 3 steps, training loss from 2 to 1.2,"
        " validation loss 1.4 at step 4, which was kept",
        "humor: labels of the data, and labels trained on, by level. 0: 5 and 3; 1: 2 and 9;"
        " 2: 0 and 1",
        "plain: what became of the samples: trained on 5, left out by the filter 2,"
        " cut by the token limit 0, duplicates 0, empty 0, too long to be scored 0",
    ):
        assert said in labels


def test_the_page_fits_a_phone_and_knows_dark_mode():
    page = report_page(some_facts())
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert "prefers-color-scheme: dark" in page


def test_figures_curves_iterations_samples_gates_data_and_lineage_are_there():
    text = Page(report_page(some_facts())).text
    for said in (
        "1.00 to 1.00 · by jokes",
        "level 2 not trained: too few examples",
        "jokes: asked 2 (hardly trained), measured 2.00",
        "step 4: validation loss 1.4000 (best)",
        "level 1: 9 (69.2%)",
        "What is it? 0 target apm 0.2 jokes 0 What is it? It is. 2 apm 2.2 jokes 2 What is it? It",
        "passed: meter/jokes/spearman failed: plain",
        "metric value needs outcome meter/jokes/spearman 1.00 [1.00, 1.00] low \u2265 0.8 passed",
        "humor apm 0.90 [0.80, 0.95] 0.30 1.20 40 5 measures",
        "quality apm {0} {0} {0} 0 {0} not measurable".format("\N{EN DASH}"),
        "rank samples trained on mean sum 1 4 3 2.500 2 3 2 1.250",
        "samples asked for 9 kept and labelled 7 plain 1 left by the filter 5",
        "source conversations times seen plain 6 2.00",
        "plain 12",
        "plain plain 90 10 plain 3",
        "gone (no longer there) \N{EN DASH} " + "f" * 43 + " " + "d" * 43,
    ):
        assert said in text


def test_what_a_stage_noted_stands_at_that_stage_and_once():
    warned = "a warning of the evaluation"
    evaluation = some_facts().evaluation.model_copy(update={"warnings": (warned,)})
    made = a_making(
        ancestors=(
            an_ancestor("prepare", notes=("licence unknown: oasst", "source a: read as Oasst")),
            an_ancestor("train-apm"),
            an_ancestor("annotate", notes=("3 conversations dropped",)),
        )
    )
    facts = some_facts(made=made, evaluation=evaluation, notes=(warned, "only 9 prompts"))
    text = Page(report_page(facts)).text
    assert (
        "prepare licence unknown: oasst source a: read as Oasst annotate 3 conversations dropped"
        " evaluate only 9 prompts Training"
    ) in text
    assert text.count(warned) == 1


def test_a_page_whose_stages_noted_nothing_does_not_speak_of_notes():
    page = report_page(some_facts(made=a_making(ancestors=(an_ancestor("prepare"),))))
    assert "What the stages noted" not in page
    assert 'href="#notes"' not in page


def test_the_edge_of_a_table_that_can_be_scrolled_lies_in_shade():
    """Structural: covers that scroll along, over shades that stay, on both sides."""
    (rule,) = re.findall(r"^\.scroll \{(.*?)\}", report_page(some_facts()), re.M | re.S)
    assert "overflow-x: auto" in rule
    layers = re.findall(
        r"linear-gradient\(to (\w+), var\(--(\w+)\).*?\) (\w+) / .* (\w+),$", rule, re.M
    )
    assert layers == [
        ("right", "card", "left", "local"),
        ("left", "card", "right", "local"),
        ("right", "shade", "left", "scroll"),
        ("left", "shade", "right", "scroll"),
    ]
    page = report_page(some_facts())
    assert page.count("--shade:") == page.count("--card:") == 2  # light and dark
    for before in re.findall(r"([^>]*>)\s*<table", page):
        assert 'class="scroll"' in before or 'class="card scroll' in before


def test_where_only_the_apm_measured_and_cannot_the_page_says_not_measurable():
    text = Page(report_page(some_facts())).text
    assert "by the APM not measurable: every answer measured the same" in text


def test_a_model_that_stands_alone_is_compared_with_none():
    page = report_page(some_facts(measured(models=("new",))))
    assert "Beside it" not in page
    assert "The model beside others" not in page


def test_models_stand_beside_each_other_by_the_scorer_of_the_headline():
    text = Page(report_page(some_facts(measured(models=("new", "train-acsft"))))).text
    assert "Beside it: the model before, train-acsft" in text
    assert "humor by jokes new 1.00 [1.00, 1.00] train-acsft not measurable" in text


def a_page_with_a_second_scorer(second):
    """Return the page of an evaluation with both sweeps; quality and humor are seen together."""
    found = measured(models=("new", "old"), seen={(4, 2): 7, (1, 0): 3}, second_scores={"humor": 1})
    scorers = all_scorers(SCHEMA, [], has_second=True)
    figures = evaluation(found, scorers, {"humor": an_apm_figure()}, 1, {"humor": second})
    return Page(report_page(some_facts(found, evaluation=figures, scorers=scorers)))


def test_the_second_scorer_stands_before_the_apm_with_its_own_trust():
    text = a_page_with_a_second_scorer(an_apm_figure()).text
    assert "by other-half not measurable: every answer measured the same" in text
    assert "humor apm 0.90 [0.80, 0.95] 0.30 1.20 40 5 measures humor other-half 0.90" in text


def test_a_scorer_whose_own_r_includes_zero_measures_nothing():
    text = a_page_with_a_second_scorer(an_apm_figure(lower=-0.1)).text
    assert "other-half new at target not measurable" in text
    assert "humor other-half 0.90 [-0.10, 0.95] 0.30 1.20 40 5 not measurable" in text


def test_the_sweep_of_seen_combinations_says_what_was_asked_and_how_often_it_was_seen():
    page = a_page_with_a_second_scorer(an_apm_figure())
    assert "The other attributes as most often seen with the level" in page.text
    assert "level other-half apm seen most often together with 0 " in page.text
    assert "3 quality 1 2 1.00 [1.00, 1.00] 2.25 [2.25, 2.25] 7 quality 4" in page.text


def test_the_final_model_is_told_as_a_difference_to_each_other_one():
    text = Page(report_page(some_facts())).text
    assert "new minus each other one model Spearman slope mean at target train-acsft" in text
    assert "new the result 21 0 0 0 train-acsft the result before the last iteration 21" in text


def test_a_judge_is_told_with_what_it_cost_and_what_it_left_out():
    figures = some_facts().evaluation.model_copy(update={"judge": a_judgement("gpt")})
    page = Page(report_page(some_facts(evaluation=figures)))
    for said in (
        "gpt scored answers at target labels from 1 to 10, both answers at once, in both orders. It"
        " took 16 requests, 9,000 tokens in and 800 out; it cost about 0.12",
        "against gpt win rate 0.69 [0.40, 0.90]",
        "wins 5 ties 1 losses 2 not judged 2",
        "new 7.50 [7.00, 8.00] gpt 6.25",
        "1 not judged: the cost cap was reached 1 not judged: gpt",
    ):
        assert said in page.text
    alone = figures.model_copy(update={"judge": a_judgement(form="Single", cost=None, pairs=())})
    text = Page(report_page(some_facts(evaluation=alone))).text
    assert "each answer alone. It took 16 requests, 9,000 tokens in and 800 out." in text


def test_a_run_without_history_iterations_or_gates_has_a_page():
    page = report_page(some_facts(made=Made(), gates=()))
    titles = {"Training", "Labels before and after annotation", "Bootstrap", "Gates", "Lineage"}
    assert not titles & set(Page(page).texts)


def test_a_run_where_nothing_could_be_measured_has_a_page():
    text = Page(report_page(some_facts(measured(models=("new",), answer=None, scores={})))).text
    assert "(the prompt was too long)" in text


def test_what_the_filter_left_out_is_told_only_where_it_left_something_out():
    facts = some_facts()
    assert "left out by the filter 2" in Page(report_page(facts)).text
    made = facts.made.__class__(rounds=(a_round(num_kept=7),))
    assert "left out by the filter 2" not in Page(report_page(some_facts(made=made))).text


def test_no_number_of_a_drawing_is_missing():
    page = report_page(some_facts())
    assert not re.search(r"\b(nan|inf|None)\b", "".join(re.findall(r"<svg.*?</svg>", page, re.S)))


def test_an_answer_that_says_nothing_is_shown_as_such():
    assert "(no text)" in Page(report_page(some_facts(measured(answer="")))).text


def test_the_templates_hold_no_text_that_is_marked_as_safe():
    page = report_page(some_facts(text=HOSTILE[0]))
    assert HOSTILE[0] not in page
    assert escape(HOSTILE[0], quote=False).split("(")[0] in page
