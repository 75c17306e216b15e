import pytest
import torch

from steerlm_jobs.data.template import MARKERS
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.models.loading import load_causal_lm, load_tokenizer, output_layer, save_model
from steerlm_jobs.models.marking import mark_model, row_parameters, write_marked_model
from tests.unit.models.builders import a_model, an_unmarked_tokenizer

NUM_TOKENS = an_unmarked_tokenizer().backend_tokenizer.get_vocab_size()


@pytest.mark.parametrize("is_tied", [False, True])
def test_a_markers_rows_are_the_means_of_its_literal_tokens(is_tied):
    model, tokenizer = a_model(num_rows=NUM_TOKENS, is_tied=is_tied), an_unmarked_tokenizer()
    before = [rows.detach().clone() for rows in row_parameters(model)]
    marked = mark_model(model, tokenizer)
    assert len(row_parameters(model)) == (1 if is_tied else 2)
    for old, new in zip(before, row_parameters(model), strict=True):
        torch.testing.assert_close(new[:NUM_TOKENS], old)
        for marker in MARKERS:
            literal = tokenizer(marker, add_special_tokens=False).input_ids
            assert len(literal) > 1
            row = new[marked.convert_tokens_to_ids(marker)]
            torch.testing.assert_close(row, old[literal].mean(dim=0))


def test_free_rows_are_reused_and_the_embedding_keeps_its_size():
    model = a_model(num_rows=NUM_TOKENS + 5)
    marked = mark_model(model, an_unmarked_tokenizer())
    ids = marked.convert_tokens_to_ids(list(MARKERS))
    assert ids == [NUM_TOKENS, NUM_TOKENS + 1, NUM_TOKENS + 2]
    assert model.config.vocab_size == NUM_TOKENS + 5


def test_without_free_rows_it_grows_to_a_multiple_of_64():
    model = a_model(num_rows=NUM_TOKENS)
    mark_model(model, an_unmarked_tokenizer())
    assert model.config.vocab_size == -(-(NUM_TOKENS + 3) // 64) * 64
    assert output_layer(model).weight.shape[0] == model.config.vocab_size


def test_marking_twice_changes_nothing():
    model = a_model(num_rows=NUM_TOKENS)
    once = mark_model(model, an_unmarked_tokenizer())
    rows = row_parameters(model)[0].detach().clone()
    twice = mark_model(model, once)
    assert twice.get_vocab() == once.get_vocab()
    assert torch.equal(row_parameters(model)[0], rows)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_marked_folder_keeps_dtype_and_tying_and_names_no_path(tmp_path, dtype):
    model = a_model(num_rows=NUM_TOKENS, is_tied=True, dtype=dtype)
    save_model(model, tmp_path / "base", an_unmarked_tokenizer(), dtype)
    write_marked_model(tmp_path / "base", tmp_path / "marked")
    marked = load_causal_lm(tmp_path / "marked")
    assert marked.dtype == dtype
    assert len(row_parameters(marked)) == 1
    texts = [f.read_bytes() for f in (tmp_path / "marked").iterdir()]
    assert not any(str(tmp_path).encode() in text for text in texts)
    chat = ChatTokenizer.from_folder(tmp_path / "marked")
    assert chat.bos_ids == (1,)
    assert chat.eos_ids == (2,)
    whole = load_tokenizer(tmp_path / "marked")("a<extra_id_2>").input_ids
    assert whole[-1] == chat.label_id
