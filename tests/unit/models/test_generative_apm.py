import math
from functools import cache

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from steerlm_jobs.attributes.labels import label_text, to_unit
from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.models import generative_apm
from steerlm_jobs.models.generative_apm import GenerativeApm, check_writable
from steerlm_jobs.models.scorer import load_scorer
from steerlm_jobs.models.steerlm_json import write_steerlm_json
from tests.unit.models.builders import a_model
from tests.unit.template.builders import (
    THREE_TURNS,
    a_conversation,
    a_tokenizer,
    assistant,
    user,
    with_markers,
)

SCHEMA = Schema(
    (Attribute(name="quality"), Attribute(name="wit", min=-1, max=10), Attribute(name="humor"))
)
GROUPS = (("quality", "humor"), ("wit",))


def a_generative_apm(tokenizer=None, groups=GROUPS) -> GenerativeApm:
    tokenizer = tokenizer or a_tokenizer()
    return GenerativeApm(a_model(), tokenizer, SCHEMA, groups)


@cache
def a_merging_tokenizer() -> ChatTokenizer:
    """Return a byte-level tokenizer that makes one token of `:4`, of `10` and of `,humor`."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [(":", "4"), ("1", "0"), (",", "h"), (",h", "u"), (",hu", "m"), (",hum", "o")]
    merges += [(",humo", "r")]
    vocabulary = {letter: i for i, letter in enumerate([*letters, *map("".join, merges)])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return ChatTokenizer(with_markers(tokenizer))


@torch.no_grad()
def shares_by_hand(apm, tokenizer, prompt, names, written):
    """The definition: each legal text read alone, its choices among legal tokens multiplied."""
    group = Schema(tuple(SCHEMA.scale(name) for name in names))
    attribute = group.attributes[len(written)]
    rest = [a.min for a in group.attributes[len(written) + 1 :]]
    texts = {}
    for value in range(attribute.min, attribute.max + 1):
        labels = dict(zip(names, (*written, value, *rest), strict=True))
        texts[value] = tokenizer.text_ids(f"{label_text(labels, group)}\n")
    shares = {}
    for value, ids in texts.items():
        logits_TV = apm._model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 :]
        share = 1.0
        for depth, token in enumerate(ids):
            alike = [other for other in texts.values() if other[:depth] == ids[:depth]]
            legal = sorted({other[depth] for other in alike})
            share *= float(logits_TV[depth][legal].softmax(-1)[legal.index(token)])
        shares[value] = share
    return shares


def scores_by_hand(apm, tokenizer, prompt):
    found = {}
    for names in GROUPS:
        written = ()
        for name in names:
            shares = shares_by_hand(apm, tokenizer, prompt, names, written)
            expected = sum(value * share for value, share in shares.items())
            found[name] = to_unit(expected, SCHEMA.scale(name))
            written += (max(shares, key=shares.__getitem__),)
    return [found[name] for name in SCHEMA.names]


TOKENIZERS = pytest.mark.parametrize(
    "tokenizer", [a_tokenizer(), a_merging_tokenizer()], ids=["digits apart", "merging"]
)


@TOKENIZERS
def test_scores_are_expectations_over_the_legal_values_of_each_group(tokenizer):
    apm = a_generative_apm(tokenizer)
    prompts = [tokenizer.encode_scoring(THREE_TURNS, i, 512).ids for i in (1, 3, 5)]
    found = apm.unit_scores(prompts)
    for row, prompt in zip(found, prompts, strict=True):
        assert row == pytest.approx(scores_by_hand(apm, tokenizer, prompt), abs=1e-4)
        assert all(0 <= value <= 1 for value in row)


def test_the_merging_tokenizer_merges():
    tokens = a_merging_tokenizer().text_ids("quality:4,humor:10\n")
    assert len(tokens) == len("quality") + 1 + 1 + len(":") + 1 + 1


def test_an_expectation_of_a_model_whose_probabilities_are_known():
    """Every logit is 0 but those of the digits 3 and 4: shares 1, 1, 1, e, e of 0 to 4."""
    tokenizer, model = a_tokenizer(), a_model()
    three, four = (tokenizer.text_ids(f"quality:{n}\n")[-2] for n in (3, 4))
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.model.norm.weight.zero_()
        model.lm_head.bias = torch.nn.Parameter(torch.zeros(model.config.vocab_size))
        model.lm_head.bias[[three, four]] = 1.0
    schema = Schema((Attribute(name="quality"),))
    apm = GenerativeApm(model, tokenizer, schema, [("quality",)])
    (scores,) = apm.score([a_conversation(user("?"), assistant("Yes."))], 512)
    expected = (0 + 1 + 2 + 3 * math.e + 4 * math.e) / (3 + 2 * math.e)
    assert scores == [pytest.approx({"quality": expected})]


def test_every_answer_is_scored_as_if_its_prefix_stood_alone_in_any_batch(monkeypatch):
    apm = a_generative_apm()
    rows = [THREE_TURNS, a_conversation(user("?"), THREE_TURNS.turns[1]), THREE_TURNS]
    together = apm.score(rows, 512)
    monkeypatch.setitem(generative_apm.SCORING_TOKENS, "cpu", 1)
    alone = [apm.score([row], 512)[0] for row in rows]
    for of_rows, wanted in zip(together, alone, strict=True):
        assert of_rows == [pytest.approx(scores, abs=1e-4) for scores in wanted]
    assert together[0] == together[2]


def test_scores_are_the_same_bits_for_the_same_rows_in_any_order():
    apm = a_generative_apm()
    rows = [THREE_TURNS, a_conversation(*THREE_TURNS.turns[:2]), THREE_TURNS]
    assert apm.score(rows, 512) == apm.score(rows[::-1], 512)[::-1]


def test_history_carries_no_labels():
    unlabelled = a_conversation(*(user(t.text) if t.role == "User" else assistant(t.text)
                                  for t in THREE_TURNS.turns))  # fmt: skip
    apm = a_generative_apm()
    assert apm.score([THREE_TURNS], 512) == apm.score([unlabelled], 512)


def test_a_turn_that_leaves_no_room_for_its_labels_has_no_score():
    apm, tokenizer = a_generative_apm(), a_tokenizer()
    one = a_conversation(user("?"), assistant("word " * 9))
    prompt = len(tokenizer.encode_scoring(one, 1, 512).ids)
    labels = max(len(tokenizer.text_ids(text)) for text in ("quality:4,humor:4\n", "wit:10\n"))
    assert apm.score([one], prompt + labels - 1) == [[None]]
    assert apm.score([one], prompt + labels) != [[None]]


def test_an_attribute_is_read_from_the_first_group_that_names_it():
    first = a_generative_apm(groups=(("quality", "humor"), ("quality", "wit")))
    alone = a_generative_apm(groups=(("quality",), ("quality", "humor"), ("quality", "wit")))
    assert first.score([THREE_TURNS], 512)[0][0]["quality"] == pytest.approx(
        alone.score([THREE_TURNS], 512)[0][0]["quality"], abs=1e-4
    )


def test_a_tokenizer_that_looks_ahead_is_refused():
    apm = a_generative_apm()
    tries = apm._groups[0]
    cut = tries._text_ids
    tries._text_ids = lambda text: cut(text)[::-1]
    with pytest.raises(BadConfigError, match=r"use stages\.trainApm\.kind Regression"):
        apm.score([THREE_TURNS], 512)


@pytest.mark.parametrize("make", [a_tokenizer, a_merging_tokenizer])
def test_a_tokenizer_that_scores_is_writable(make):
    check_writable(make(), SCHEMA, [SCHEMA.names])


def test_a_tokenizer_that_looks_ahead_is_refused_without_a_model(monkeypatch):
    tokenizer = a_tokenizer()
    cut = ChatTokenizer.text_ids
    monkeypatch.setattr(ChatTokenizer, "text_ids", lambda self, text: cut(self, text)[::-1])
    with pytest.raises(BadConfigError, match=r"use stages\.trainApm\.kind Regression"):
        check_writable(tokenizer, SCHEMA, GROUPS)


def test_the_form_is_told_by_the_folder(tmp_path):
    with pytest.raises(BadConfigError, match=r"no steerlm\.json"):
        load_scorer(tmp_path)
    write_steerlm_json(tmp_path, "acsft", SCHEMA, {})
    with pytest.raises(BadConfigError, match=r"no head\.safetensors"):
        load_scorer(tmp_path)
