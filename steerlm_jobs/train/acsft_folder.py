"""The folder of an ACSFT model: weights, chat template, description, model card.

Rank 0 alone writes it, with all weights at hand.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from steerlm_jobs.contract.recipes import TrainAcsftRecipe
from steerlm_jobs.data.chat_template import chat_template
from steerlm_jobs.models.loading import (
    copy_legal_files,
    input_rows,
    load_causal_lm,
    load_tokenizer,
    save_model,
)
from steerlm_jobs.models.lora import merged, save_adapter, trained_parameters
from steerlm_jobs.models.model_card import CardFacts, write_model_card
from steerlm_jobs.models.steerlm_json import write_steerlm_json
from steerlm_jobs.models.target_logits import TargetLogits
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.train.acsft_data import level_counts, untrained_levels
from steerlm_jobs.train.acsft_inputs import SAMPLES, AcsftInputs
from steerlm_jobs.train.setting import stored_dtype


def write_acsft_model(
    folder: Path,
    live: TargetLogits,
    inputs: AcsftInputs,
    recipe: TrainAcsftRecipe,
    context: StageContext,
) -> None:
    """Write what plain Transformers loads, and steerlm.json; a note tells of untrained levels."""
    context.progress.update(activity="saving")
    model = live.model
    if recipe.training.method == "Lora":
        markers = sorted(inputs.tokenizer.marker_ids.values())
        save_adapter(model, folder)
        trained = trained_parameters(model)
        fresh = load_causal_lm(inputs.start, torch.float32)
        model = merged(fresh, recipe.training.lora, markers, trained)
    system = inputs.training_rows.systems.most_common(1)[0][0]
    tokenizer = load_tokenizer(inputs.start)
    tokenizer.chat_template = chat_template(
        inputs.schema, recipe.targets, system=system, adds_bos=bool(inputs.tokenizer.bos_ids)
    )
    ends = [inputs.tokenizer.stop_id, *inputs.tokenizer.eos_ids]
    model.generation_config.eos_token_id = ends
    # So that plain `generate` says what our own engine does
    num_rows = input_rows(model).weight.shape[0]
    model.generation_config.suppress_tokens = inputs.tokenizer.never_sampled(num_rows)
    save_model(model, folder, tokenizer, stored_dtype(inputs.start))
    copy_legal_files(inputs.start, folder)
    _write_description(folder, inputs, recipe, context, system)


def write_acsft_card(
    folder: Path,
    inputs: AcsftInputs,
    recipe: TrainAcsftRecipe,
    sources: Sequence[str],
    figures: Mapping[str, str],
) -> None:
    """Write README.md; `SAMPLES` are no source with a licence of its own."""
    licences = {**inputs.licences, SAMPLES: "that of the sources: a model's answers to them"}
    untrained = _untrained_text(inputs, recipe)
    limits = (f"Not trained, having fewer than {recipe.min_level_examples} examples: {untrained}.",)
    facts = CardFacts(
        inputs.schema,
        {name: licences[name] for name in sources},
        figures,
        limits if untrained else (),
    )
    write_model_card(folder, "acsft", facts, base=inputs.start)


def _untrained_text(inputs: AcsftInputs, recipe: TrainAcsftRecipe) -> str:
    """Return `humor 3, 4; quality 0`: what too few training examples carried."""
    counts = level_counts(inputs.training_rows.levels, inputs.schema)
    untrained = untrained_levels(counts, recipe.min_level_examples)
    return "; ".join(f"{n} {', '.join(map(str, ls))}" for n, ls in untrained.items())


def _write_description(
    folder: Path,
    inputs: AcsftInputs,
    recipe: TrainAcsftRecipe,
    context: StageContext,
    system: str,
) -> None:
    counts = level_counts(inputs.training_rows.levels, inputs.schema)
    untrained = untrained_levels(counts, recipe.min_level_examples)
    if untrained:
        context.notes.add(
            f"levels with fewer than {recipe.min_level_examples} training examples are not "
            f"trained: {_untrained_text(inputs, recipe)}"
        )
    write_steerlm_json(
        folder,
        "acsft",
        inputs.schema,
        context.config.input_refs,
        systemPrompt=system,
        targets=recipe.targets,
        callersMaySet=list(recipe.callers_may_set),
        minLevelExamples=recipe.min_level_examples,
        levelCounts=counts,
        untrainedLevels=untrained,
    )
