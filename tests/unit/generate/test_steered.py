"""What sample, evaluate and ask give to the engine: the prompt form of the template."""

from pathlib import Path

from steerlm_jobs.generate.generator import Generated, Sampling
from steerlm_jobs.generate.steered import Answer, Request, SteeredModel
from tests.unit.template.builders import SCHEMA, THREE_TURNS, a_backend, a_conversation, a_tokenizer

GOLDEN = Path(__file__).parents[2] / "golden" / "template"


class Recorder:
    """An engine that answers nothing and keeps what it was given."""

    def __init__(self):
        self.prompts = []

    def generate(self, prompts, sampling, seeds):
        self.prompts += prompts
        return [Generated((), is_finished=True) for _ in prompts]


def test_earlier_answers_carry_their_own_labels_else_those_asked_for():
    engine = Recorder()
    model = SteeredModel(engine, a_tokenizer(), SCHEMA, longest=4096)
    asking = a_conversation(*THREE_TURNS.turns[:5])
    request = Request(asking, {"quality": 1, "humor": -1})
    found = model.answers([request], Sampling(8), 4096)
    (ids,) = engine.prompts
    assert found == [Answer("", is_finished=True, num_prompt_tokens=len(ids), num_tokens=0)]
    golden = (GOLDEN / "prompt.txt").read_bytes().decode()
    assert list(ids) == a_backend().encode(golden).ids
