from collections import Counter

import pytest
import torch

from steerlm_jobs.generate.generator import Generated, Sampling
from steerlm_jobs.generate.transformers_loop import TransformersGenerator
from tests.unit.generate.tiny import a_model, a_tokenizer

pytestmark = pytest.mark.slow  # seconds of the minute that make check may take

TOKENIZER = a_tokenizer()
PROMPTS = [list(range(1, 1 + n)) for n in (3, 11, 7, 3, 30, 1)]
GREEDY = Sampling(max_new_tokens=40, is_greedy=True)
TOP_K = Sampling(max_new_tokens=40, top_k=20, temperature=0.8)


def a_generator(model=None, tokenizer=TOKENIZER):
    return TransformersGenerator(model or a_model(), tokenizer)


def plain_greedy(model, prompt, num_tokens, forbidden):
    """The definition: no cache, no batch, no padding."""
    ids = list(prompt)
    for _ in range(num_tokens):
        with torch.no_grad():
            logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        logits[forbidden] = -torch.inf
        token = int(logits.argmax())
        if token == TOKENIZER.stop_id:
            return Generated(tuple(ids[len(prompt) :]), is_finished=True)
        ids.append(token)
    return Generated(tuple(ids[len(prompt) :]), is_finished=False)


FORBIDDEN = [TOKENIZER.system_id, TOKENIZER.label_id, *range(TOKENIZER.num_tokens, 128)]


def test_greedy_batches_of_all_lengths_write_what_one_prompt_alone_without_cache_does():
    model = a_model()
    found = a_generator(model).generate(PROMPTS, GREEDY, [0] * len(PROMPTS))
    assert found == [plain_greedy(model, p, 40, FORBIDDEN) for p in PROMPTS]


@pytest.mark.parametrize("sampling", [GREEDY, TOP_K])
def test_an_answer_depends_on_its_prompt_and_seed_alone(sampling):
    generator = a_generator()
    prompts = [p for p in PROMPTS for _ in range(3)]
    seeds = list(range(len(prompts)))
    together = generator.generate(prompts, sampling, seeds)
    alone = [generator.generate([p], sampling, [s])[0] for p, s in zip(prompts, seeds, strict=True)]
    assert together == alone
    assert generator.generate(prompts[::-1], sampling, seeds[::-1]) == together[::-1]


def test_answers_longer_than_the_room_of_the_cache_are_written_alike():
    model = a_model()
    likely_stop = torch.tensor([TOKENIZER.stop_id])
    with torch.no_grad():  # so that answers end at the limit only
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
        model.lm_head.weight[likely_stop] = 0.0
    long = Sampling(max_new_tokens=150, is_greedy=True)
    found = a_generator(model).generate(PROMPTS[:2], long, [0, 0])
    assert found == [plain_greedy(model, p, 150, FORBIDDEN) for p in PROMPTS[:2]]
    assert max(len(g.ids) for g in found) == 150


def test_rows_stop_at_different_times_and_the_rest_is_not_disturbed():
    found = a_generator().generate(PROMPTS * 8, TOP_K, range(48))
    assert {g.is_finished for g in found} == {True, False}
    assert len({len(g.ids) for g in found}) > 5


def test_an_end_of_text_of_the_base_model_stops_too():
    likeliest = plain_greedy(a_model(), PROMPTS[1], 40, FORBIDDEN).ids[2]
    stopping = a_generator(tokenizer=a_tokenizer(eos_ids=(likeliest,)))
    (found,) = stopping.generate([PROMPTS[1]], GREEDY, [0])
    assert found.is_finished
    assert likeliest not in found.ids


def test_other_markers_and_rows_that_are_no_token_are_never_written():
    model = a_model()
    with torch.no_grad():  # make them the likeliest of all
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
        model.lm_head.weight[FORBIDDEN] *= 50
    found = a_generator(model).generate(PROMPTS * 4, TOP_K, range(24))
    assert not {token for g in found for token in g.ids} & {*FORBIDDEN, TOKENIZER.stop_id}


def test_draws_follow_the_models_top_k_probabilities():
    model, prompt, num_draws = a_model(), PROMPTS[2], 4000
    sampling = Sampling(max_new_tokens=1, top_k=5, temperature=1.5)
    found = a_generator(model).generate([prompt] * num_draws, sampling, range(num_draws))
    with torch.no_grad():
        logits = model(torch.tensor([prompt])).logits[0, -1] / 1.5
    logits[FORBIDDEN] = -torch.inf
    top = logits.topk(5)
    expected = dict(zip(top.indices.tolist(), top.values.softmax(-1).tolist(), strict=True))
    counts = Counter(g.ids[0] if g.ids else TOKENIZER.stop_id for g in found)
    assert set(counts) <= set(expected)
    for token, probability in expected.items():
        assert counts[token] / num_draws == pytest.approx(probability, abs=0.03)


def test_the_wish_to_stop_is_heard_at_every_step():
    calls = []

    def on_token():
        calls.append(None)
        if len(calls) == 3:
            raise InterruptedError

    generator = TransformersGenerator(a_model(), TOKENIZER, on_token)
    with pytest.raises(InterruptedError):
        generator.generate(PROMPTS, GREEDY, [0] * len(PROMPTS))
