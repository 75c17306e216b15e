"""Low-rank adapters (peft): on all linear layers, with the markers' rows beside them.

Merging happens in fp32 on weights read anew, and is cast once: the live model may be bf16.
"""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import peft
import torch
from peft.tuners.trainable_tokens.layer import TrainableTokensLayer
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from steerlm_jobs.contract.recipes import Lora
from steerlm_jobs.models.loading import input_rows, output_layer, write_json

ADAPTER_FOLDER = "adapter"


def add_adapters(
    model: PreTrainedModel, lora: Lora, marker_ids: Sequence[int], seed: int
) -> peft.PeftModel:
    """Put adapters into a model, in place; only they and the rows of `marker_ids` are trained.

    All that is trained is fp32, whatever the model's dtype. Tied rows stay tied.
    """
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules="all-linear",
        trainable_token_indices={name: list(marker_ids) for name in _row_layers(model)},
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # peft asks for a property that Transformers 5.23 renamed
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        torch.manual_seed(seed)
        adapted = peft.get_peft_model(model, config)
    for parameter in trained_parameters(model).values():
        parameter.data = parameter.data.float()
    return adapted


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return what is trained, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def borrowed_parameters(model: nn.Module) -> Iterator[tuple[nn.Module, nn.Parameter]]:
    """Yield what a module reads without calling its owner, with that module: ZeRO 3 must be told.

    The rows of the markers are put into the embedding's weight by their own layer.
    """
    for module in model.modules():
        if isinstance(module, TrainableTokensLayer):
            for name in module.active_adapters:
                yield module, module.trainable_tokens_delta[name]
            yield module, module.get_base_layer().weight  # type: ignore[misc]  # nn.Module to peft


def merged(
    fresh: PreTrainedModel, lora: Lora, marker_ids: Sequence[int], trained: Mapping[str, Tensor]
) -> PreTrainedModel:
    """Return a model with trained adapters folded into its weights.

    Args:
        fresh: The model that training started from, in fp32; changed in place.
        lora: As in training.
        marker_ids: As in training.
        trained: `trained_parameters` of the trained model.
    """
    adapted = add_adapters(fresh, lora, marker_ids, seed=0)
    load_parameters(fresh, trained)
    return adapted.merge_and_unload()  # type: ignore[no-any-return]  # untyped


def load_parameters(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Copy values into what is trained.

    Raises:
        KeyError: A value is missing.
    """
    with torch.no_grad():
        for name, parameter in trained_parameters(model).items():
            parameter.copy_(values[name])


def save_adapter(model: PreTrainedModel, folder: Path) -> None:
    """Write a model's adapter to `adapter/` in peft's form; no path in it, always the same."""
    target = folder / ADAPTER_FOLDER
    target.mkdir(parents=True)
    state = peft.get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {name: t.detach().float().cpu().contiguous() for name, t in state.items()}
    save_file(tensors, target / "adapter_model.safetensors", metadata={"format": "pt"})
    settings: Any = model.peft_config["default"]  # Transformers' own protocol for it has no fields
    config = {**settings.to_dict(), "base_model_name_or_path": ""}
    write_json(target / "adapter_config.json", json.loads(json.dumps(config, default=_plain)))


def _plain(value: Any) -> Any:  # peft's configs hold sets and enums
    return sorted(value) if isinstance(value, set) else str(value)


def _row_layers(model: PreTrainedModel) -> list[str]:
    """Return the last names of the layers with a row per token: one of them if they are tied."""
    inputs, outputs = input_rows(model), output_layer(model)
    wanted: list[nn.Module] = [inputs]
    if outputs is not None and outputs.weight is not inputs.weight:
        wanted.append(outputs)
    names = {id(module): name for name, module in model.named_modules()}
    return [names[id(module)].rpartition(".")[2] for module in wanted]
