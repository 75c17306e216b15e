"""A page of an evaluation, and how it was made; one text of choice stands wherever text may."""

from html.parser import HTMLParser

from steerlm_jobs.contract.config import StageInput
from steerlm_jobs.contract.evaluation import JudgedPair, JudgeFigures
from steerlm_jobs.contract.gates import GateResult, MetricValue
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.evaluation.figures import evaluation
from steerlm_jobs.evaluation.page.curves import Curve
from steerlm_jobs.evaluation.page.facts import PageFacts
from steerlm_jobs.evaluation.page.made import DataSource, Made
from steerlm_jobs.evaluation.page.rounds import MixtureRow, RankRow, Round
from steerlm_jobs.evaluation.scorers import all_scorers
from steerlm_jobs.store.lineage import Ancestor
from tests.unit.evaluation.builders import SCHEMA
from tests.unit.evaluation.measured import JOKES, TARGETS, an_apm_figure, measured

TRAINING = {
    "loss": [2.0, None, 1.5, 1.2],
    "validation": [{"step": 2, "loss": 1.6}, {"step": 4, "loss": 1.4}],
    "bestStep": 4,
}


class Page(HTMLParser):
    """A page's elements and texts; it checks that they nest."""

    VOID = frozenset({"meta", "br", "hr", "link", "img"})

    def __init__(self, text):
        super().__init__()
        self.seen, self.texts, self._open = [], [], []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    @property
    def structure(self):
        """Everything but what text and values say."""
        return [(tag, tuple(attributes)) for tag, attributes in self.seen]


def a_round(text="plain", **fields):
    defaults = {
        "number": 1,
        "stage": text,
        "counts": (("samples asked for", 9), ("kept and labelled", 7), (text, 1)),
        "num_kept": 5,
        "num_too_long": 0,
        "combinations": ((text, 12),),
        "warning": text,
        "ranks": (RankRow(1, 4, 3, 2.5), RankRow(2, 3, 2, 1.25)),
        "mixture": (MixtureRow(text, 6, 2.0),),
        "num_trained": 10,
    }
    return Round(**(defaults | fields))


def an_ancestor(stage, made_from=(), *, is_there=True, notes=(), **fields):
    defaults = {"kind": StageKind.PREPARE, "uri": "u", "fingerprint": "f" * 43, "digest": "d" * 43}
    return Ancestor(StageInput(stage=stage, **(defaults | fields)), made_from, is_there, notes)


def a_making(text="plain", **fields):
    defaults = {
        "ancestors": (
            an_ancestor(text, (text,), notes=(text,)),
            an_ancestor("gone", is_there=False),
        ),
        "curves": {text: Curve.from_json(TRAINING), "empty": Curve.from_json({})},
        "sources": (DataSource(text, text, 90, 10, {text: 3}),),
        "human_levels": {"humor": {0: 5, 1: 2}},
        "trained_levels": {"humor": {0: 3, 1: 9, 2: 1}},
        "rounds": (a_round(text),),
    }
    return Made(**(defaults | fields))


def a_judgement(text="plain", **fields):
    pair = JudgedPair(
        opponent=text,
        wins=5,
        losses=2,
        ties=1,
        not_judged=2,
        not_judged_causes={"costCap": 1, text: 1},
        win_rate=MetricValue(value=0.6875, lower=0.4, upper=0.9),
        score=MetricValue(value=7.5, lower=7.0, upper=8.0),
        opponent_score=MetricValue(value=6.25),
    )
    defaults = {
        "model": text,
        "form": "Pair",
        "pairs": (pair,),
        "num_requests": 16,
        "input_tokens": 9000,
        "output_tokens": 800,
        "cost": 0.125,
        "is_cost_estimated": True,
    }
    return JudgeFigures(**(defaults | fields))


def some_facts(found=None, text="plain", **fields):
    found = found or measured(models=("new", "train-acsft"))
    scorers = all_scorers(SCHEMA, [JOKES])
    figures = evaluation(found, scorers, {"humor": an_apm_figure()}, seed=1)
    defaults = {
        "evaluation": figures.model_copy(update={"warnings": (*figures.warnings, text)}),
        "schema": SCHEMA,
        "targets": TARGETS,
        "scorers": tuple(scorers),
        "answers": [a for of_model in found.answers for row in of_model for a in row],
        "gates": (
            GateResult(metric="meter/jokes/spearman", value=1.0, bound=0.8, passed=True),
            GateResult(metric=text, value=None, bound=0.5, passed=False),
        ),
        "made": a_making(text),
    }
    return PageFacts(**(defaults | fields))
