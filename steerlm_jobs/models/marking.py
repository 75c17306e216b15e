"""The three markers as special tokens of a base model. Prepare does this once, for all stages."""

import json
from pathlib import Path
from typing import Final

import torch
from tokenizers import AddedToken, Tokenizer
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.data.template import MARKERS
from steerlm_jobs.data.tokens import prefix_only_at_start
from steerlm_jobs.models.loading import (
    copy_legal_files,
    fast_tokenizer,
    input_rows,
    load_causal_lm,
    load_tokenizer,
    output_layer,
    save_model,
)
from steerlm_jobs.models.model_card import write_base_card

ROWS_MULTIPLE: Final = 64
"""A grown embedding has a multiple of this many rows: matrix kernels like it."""


def write_marked_model(source: Path, target: Path) -> None:
    """Write a base model with the markers in it, in the dtype of its weights.

    Raises:
        BadConfigError: `source` holds no causal LM with a tokenizer that can be loaded.
    """
    tokenizer = load_tokenizer(source)
    model = load_causal_lm(source)
    marked = mark_model(model, tokenizer)
    save_model(model, target, marked, model.dtype)
    copy_legal_files(source, target)
    write_base_card(target, base=source)


def mark_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> PreTrainedTokenizerFast:
    """Add the markers that are missing to a model, in place; return its new tokenizer.

    Free rows of the embedding are reused, else it grows; it never shrinks. A new marker's rows are
    the means of the rows of its literal tokens. Markers that the model has already are kept.
    """
    backend: Tokenizer = tokenizer.backend_tokenizer
    new = [m for m in MARKERS if backend.token_to_id(m) is None]
    literal_ids = {m: backend.encode(m, add_special_tokens=False).ids for m in new}
    marked = _with_markers(tokenizer)
    vocabulary: dict[str, int] = marked.get_vocab()
    num_tokens = 1 + max(vocabulary.values())
    old_rows = input_rows(model).weight.shape[0]
    if num_tokens > old_rows:
        model.resize_token_embeddings(
            num_tokens, pad_to_multiple_of=ROWS_MULTIPLE, mean_resizing=False
        )
    for weight in _row_tensors(model):
        _set_rows(weight, old_rows, {vocabulary[m]: literal_ids[m] for m in new})
    return marked


def row_parameters(model: PreTrainedModel) -> tuple[Tensor, ...]:
    """Return the matrices with a row for each token: one if tied, else input and output."""
    inputs, outputs = input_rows(model).weight, output_layer(model)
    is_tied = outputs is None or outputs.weight is inputs
    return (inputs,) if is_tied or outputs is None else (inputs, outputs.weight)


def _row_tensors(model: PreTrainedModel) -> tuple[Tensor, ...]:
    bias = getattr(output_layer(model), "bias", None)
    return row_parameters(model) + (() if bias is None else (bias,))


def _with_markers(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    state = prefix_only_at_start(json.loads(tokenizer.backend_tokenizer.to_str()))
    state["truncation"] = state["padding"] = None
    backend = Tokenizer.from_str(json.dumps(state))
    backend.add_special_tokens(
        [AddedToken(m, special=True, normalized=False, lstrip=False, rstrip=False) for m in MARKERS]
    )
    names = {
        name: str(value)
        for name in ("bos_token", "eos_token", "unk_token", "pad_token")
        if (value := getattr(tokenizer, name)) is not None
    }
    if "eos_token" not in names:
        msg = "the base model's tokenizer has no eos_token; add it to tokenizer_config.json"
        raise BadConfigError(msg)
    return fast_tokenizer(backend, names)


def _set_rows(weight: Tensor, old_rows: int, literal_ids: dict[int, list[int]]) -> None:
    """Fill new rows: of a marker with the mean of its literal tokens' rows, else of all rows."""
    with torch.no_grad():
        values = weight.float()
        rows = {i: values[:old_rows].mean(dim=0) for i in range(old_rows, weight.shape[0])}
        rows |= {i: values[ids].mean(dim=0) for i, ids in literal_ids.items()}
        for index, row in rows.items():
            weight[index] = row.to(weight.dtype)
