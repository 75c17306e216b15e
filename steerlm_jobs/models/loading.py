"""Hugging Face model folders in and out: safetensors only, no code from the folder."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from steerlm_jobs.contract.errors import BadConfigError

transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # no types in transformers
transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # no types in transformers

ANY_DTYPE: Final = "auto"
"""The dtype that the folder's weights have."""
_TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")
_LEGAL_FILES: Final = ("LICENSE*", "NOTICE*")


def output_layer(model: PreTrainedModel) -> nn.Linear | None:
    """Return what turns hidden states into logits; None: a backbone has none."""
    found: nn.Linear | None = model.get_output_embeddings()  # type: ignore[no-untyped-call]  # no types in transformers
    return found


def input_rows(model: PreTrainedModel) -> nn.Embedding:
    """Return the layer with a row for each token."""
    found: nn.Embedding = model.get_input_embeddings()  # type: ignore[assignment]  # nn.Module to them
    return found


def fast_tokenizer(backend: Tokenizer, names: Mapping[str, str]) -> PreTrainedTokenizerFast:
    """Return a tokenizer that is saved as it stands: `tokenizer.json` decides all of it.

    Args:
        backend: The tokenizer.
        names: Special tokens by role: `bos_token`, `eos_token`, `unk_token`, `pad_token`.
    """
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # no types in transformers
        tokenizer_object=backend, **names
    )


def load_causal_lm(folder: Path, dtype: torch.dtype | str = ANY_DTYPE) -> PreTrainedModel:
    """Load a causal language model in evaluation mode.

    Raises:
        BadConfigError: The folder holds none, or one that needs its own code or pickled weights.
    """
    check_model_folder(folder)
    return _loaded(AutoModelForCausalLM, folder, dtype)


def load_backbone(folder: Path, dtype: torch.dtype | str = ANY_DTYPE) -> PreTrainedModel:
    """Load a model without its output layer, from a causal LM's folder or a backbone's own.

    Raises:
        BadConfigError: As `load_causal_lm`.
    """
    check_model_folder(folder)
    return _loaded(AutoModel, folder, dtype)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Load the tokenizer of a model folder; it always has a fast backend.

    Raises:
        BadConfigError: There is none, or it has no fast form.
    """
    if not any((folder / name).exists() for name in _TOKENIZER_FILES):
        msg = f"{folder}: no tokenizer in this model folder; add tokenizer.json"
        raise BadConfigError(msg)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise BadConfigError(_refused(folder, "tokenizer", error)) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        msg = f"{folder}: its tokenizer has no fast form; convert it to tokenizer.json"
        raise BadConfigError(msg)
    return tokenizer


def load_config(folder: Path) -> Any:  # each architecture has its own class
    """Load a model's config.json.

    Raises:
        BadConfigError: There is none, or Transformers does not know it.
    """
    if not (folder / "config.json").exists():
        msg = f"{folder}: no config.json: this is not a Hugging Face model folder"
        raise BadConfigError(msg)
    try:
        return AutoConfig.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadConfigError(_refused(folder, "config.json", error)) from error


def max_position(folder: Path) -> int | None:
    """Return the longest sequence that the model was made for; None: its config says nothing."""
    value = getattr(load_config(folder), "max_position_embeddings", None)
    return int(value) if value else None


def check_model_folder(folder: Path) -> None:
    """Refuse a folder from which no model can be loaded, before anything large is read.

    Raises:
        BadConfigError: No config, no safetensors, or code of its own.
    """
    config = load_config(folder)
    if getattr(config, "auto_map", None) and type(config).__module__.startswith("transformers_mod"):
        msg = f"{folder}: the model needs code of its own, which is not run"
        raise BadConfigError(msg)
    if not any(folder.glob("*.safetensors")):
        msg = f"{folder}: no *.safetensors in this model folder; convert its weights to safetensors"
        raise BadConfigError(msg)


def save_model(
    model: PreTrainedModel, folder: Path, tokenizer: PreTrainedTokenizerFast, dtype: torch.dtype
) -> None:
    """Write a model as a Hugging Face folder whose files hold no path, host or time."""
    folder.mkdir(parents=True, exist_ok=True)
    if not torch.cuda.is_available():  # accelerate imports deepspeed, which else looks for devices
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    model.config._name_or_path = ""  # noqa: SLF001  # it would name this machine's folder
    model.to(dtype).save_pretrained(str(folder))  # type: ignore[arg-type]  # torch's overloads
    tokenizer.name_or_path = ""
    tokenizer.save_pretrained(str(folder))


def copy_legal_files(source: Path, target: Path) -> None:
    """Copy licence and notice of a base model to a model made from it."""
    for pattern in _LEGAL_FILES:
        for file in source.glob(pattern):
            shutil.copyfile(file, target / file.name)


def write_json(file: Path, value: object) -> None:
    """Write JSON for people and programs, the same bytes for the same value."""
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    file.write_text(f"{text}\n", encoding="utf-8")


def best_device() -> torch.device:
    """Return the accelerator if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _loaded(kind: Any, folder: Path, dtype: torch.dtype | str) -> PreTrainedModel:  # an Auto class
    try:
        model = kind.from_pretrained(
            str(folder),
            dtype=dtype,
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, SafetensorError) as error:
        raise BadConfigError(_refused(folder, "model", error)) from error
    return model.eval()  # type: ignore[no-any-return]  # the Auto classes are untyped


def _refused(folder: Path, what: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()
    return f"{folder}: its {what} cannot be loaded: {reason[0][:200] if reason else error!r}"
