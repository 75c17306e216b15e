"""The attribute prediction model, regression form: a backbone and a linear head on its last marker.

Folder: backbone at the root, `head.safetensors` (weight [A, D] and bias [A], fp32, on the scale
0..1) and `steerlm.json` beside it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from steerlm_jobs.attributes.labels import from_unit
from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.data.conversations import Conversation, Role
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.models.leaf_markers import (
    Ids,
    ScoringBatch,
    ScoringRow,
    additive_mask,
    batch_tensors,
    scoring_batches,
    scoring_rows,
)
from steerlm_jobs.models.leaf_probe import longest_shared
from steerlm_jobs.models.loading import best_device, load_backbone
from steerlm_jobs.models.steerlm_json import read_schema

HEAD_FILE: Final = "head.safetensors"
SCORING_TOKENS: Final = {"cpu": 512, "cuda": 65_536}
"""Tokens that are scored at once, padding included. On a CPU few are faster than many: the
activations of 4,096 leave its caches (measured on 8 layers of SmolLM2: 4.9 and 6.7 s)."""

Scores = dict[str, float]


class Apm(nn.Module):
    """Scores of the answer before each marked position, on the scale 0..1."""

    def __init__(self, backbone: PreTrainedModel, num_attributes: int) -> None:
        super().__init__()
        self.backbone = backbone
        width = backbone.config.get_text_config().hidden_size
        self.head = nn.Linear(width, num_attributes, dtype=torch.float32)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.longest_shared = 0
        """Up to so many tokens all turns of a conversation are scored at once; `load_apm` asks."""

    def forward(self, ids_BT: Tensor, position_ids_BT: Tensor, is_scored_BT: Tensor) -> Tensor:
        """Return scores [N, A] in fp32 of the N positions where `is_scored_BT` is True, by row."""
        hidden_BTD = self.backbone(
            input_ids=ids_BT, position_ids=position_ids_BT, attention_mask=None, use_cache=False
        ).last_hidden_state
        with torch.autocast(hidden_BTD.device.type, enabled=False):
            scores_NA: Tensor = self.head(hidden_BTD[is_scored_BT].float())
        return scores_NA

    def marker_states(self, batch: ScoringBatch) -> Tensor:
        """Return the hidden states [N, D] at the markers of a batch, row by row."""
        visible_BTT = batch.visible_BTT
        hidden_BTD = self.backbone(
            input_ids=batch.ids_BT,
            position_ids=batch.position_ids_BT,
            attention_mask=None
            if visible_BTT is None
            else additive_mask(visible_BTT, self.backbone.dtype),
            use_cache=False,
        ).last_hidden_state
        states_ND: Tensor = hidden_BTD[batch.is_marker_BT]
        return states_ND


def load_apm(folder: Path, dtype: torch.dtype | str = "auto") -> tuple[Apm, ChatTokenizer, Schema]:
    """Load an APM in evaluation mode, on the accelerator if there is one.

    Raises:
        BadConfigError: The folder is not an APM's.
    """
    if not (folder / HEAD_FILE).exists():
        msg = f"{folder}: no {HEAD_FILE}: this is not the folder of an attribute prediction model"
        raise BadConfigError(msg)
    schema = read_schema(folder)
    apm = Apm(load_backbone(folder, dtype), len(schema.names))
    apm.head.load_state_dict(load_file(folder / HEAD_FILE))
    apm.eval().to(best_device())
    apm.longest_shared = longest_shared(apm.marker_states, apm.backbone.config, best_device())
    return apm, ChatTokenizer.from_folder(folder), schema


def save_head(head: nn.Linear, folder: Path) -> None:
    """Write the head beside its backbone."""
    tensors = {name: t.detach().float().cpu().contiguous() for name, t in head.named_parameters()}
    save_file(tensors, folder / HEAD_FILE, metadata={"format": "pt"})


def scoring_note(apm: Apm, max_length_tokens: int) -> str:
    """Return a line for people if not all turns can be scored at once; else an empty one."""
    if apm.longest_shared >= max_length_tokens:
        return ""
    reason = (
        f"sees {apm.longest_shared} tokens back at most"
        if apm.longest_shared
        else "does not take a mask of our own"
    )
    return f"the base model {reason}: the turns of a conversation are scored one by one, slower"


def score_conversations(
    apm: Apm,
    tokenizer: ChatTokenizer,
    schema: Schema,
    conversations: Sequence[Conversation],
    max_length_tokens: int,
    on_batch: Callable[[], None] = lambda: None,
) -> list[list[Scores | None]]:
    """Score every assistant turn after its own prefix, all turns of a conversation in one pass.

    The result depends on these conversations alone: equal inputs are computed once, in batches
    sorted by length. `on_batch` is called before each and may raise to leave.

    Returns:
        For each conversation, for each of its assistant turns in order, the score of each attribute
        on the attribute's scale; None where no cut from the left makes the turn fit.
    """
    encoded = [
        [
            tokenizer.encode_scoring(c, i, max_length_tokens)
            for i, turn in enumerate(c.turns)
            if turn.role is Role.ASSISTANT
        ]
        for c in conversations
    ]
    rows = scoring_rows(encoded, apm.longest_shared)
    values = _unit_scores(apm, rows, tokenizer.label_id, on_batch)
    scores = {ids: _on_scales(row, schema) for ids, row in values.items()}
    return [[None if e is None else scores[e.ids[:-1]] for e in row] for row in encoded]


def _on_scales(values: Sequence[float], schema: Schema) -> Scores:
    return {a.name: from_unit(value, a) for a, value in zip(schema.attributes, values, strict=True)}


@torch.inference_mode()
def _unit_scores(
    apm: Apm, rows: Sequence[ScoringRow], marker_id: int, on_batch: Callable[[], None]
) -> dict[Ids, list[float]]:
    """Return the scores, 0..1, of each prefix of rows that are sorted by length."""
    device = next(apm.parameters()).device
    found: dict[Ids, list[float]] = {}
    for batch in scoring_batches(rows, SCORING_TOKENS[device.type]):
        on_batch()
        states_ND = apm.marker_states(batch_tensors(batch, marker_id, device))
        scores_NA: Tensor = apm.head(states_ND.float())
        prefixes = [ids for row in batch for ids in row.prefixes]
        found |= zip(prefixes, scores_NA.tolist(), strict=True)
    return found
