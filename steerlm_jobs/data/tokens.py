"""Segments to token ids and a loss mask; conversations cut to a length. Needs `tokenizers` only.

Texts are encoded with special tokens off, so a forged marker stays text, and without a dummy
prefix, so that the ids of the pieces are those of the whole string.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.data.conversations import Conversation, Role
from steerlm_jobs.data.template import (
    LABEL_MARKER,
    MARKERS,
    SYSTEM_MARKER,
    TURN_MARKER,
    Segment,
    SegmentKind,
    prompt_segments,
    scoring_segments,
    training_segments,
    value_segments,
)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A tokenised conversation."""

    ids: tuple[int, ...]
    loss_mask: tuple[bool, ...]
    """True where the token counts in the loss, as a target."""
    first_turn: int = 0
    """The turns before it were cut away to fit the length."""

    @property
    def num_targets(self) -> int:
        """How many tokens bear loss. The first token is never a target."""
        return sum(self.loss_mask[1:])


class ChatTokenizer:
    """The tokenizer of a marked model, as the template needs it."""

    def __init__(self, tokenizer: Tokenizer, *, eos_ids: Sequence[int] = ()) -> None:
        found = {m: i for m in MARKERS if (i := tokenizer.token_to_id(m)) is not None}
        if len(found) < len(MARKERS):
            missing = ", ".join(m for m in MARKERS if m not in found)
            msg = f"the tokenizer lacks the markers {missing}; prepare adds them"
            raise BadConfigError(msg)
        self.marker_ids = found
        self.system_id = self.marker_ids[SYSTEM_MARKER]
        self.stop_id = self.marker_ids[TURN_MARKER]
        self.label_id = self.marker_ids[LABEL_MARKER]
        self.bos_ids = _added_before(tokenizer)
        """One id, or none where the base tokenizer adds none."""
        self.eos_ids = tuple(eos_ids)
        """Ends of text of the base model, beside `stop_id`."""
        self._plain = _without_prefix(tokenizer)
        self._text_ids = functools.lru_cache(maxsize=1 << 16)(self._encode_text)

    @classmethod
    def from_folder(cls, folder: Path) -> "ChatTokenizer":
        """Read `tokenizer.json` of a marked model.

        Raises:
            BadConfigError: There is none, or it has no markers.
        """
        file = folder / "tokenizer.json"
        if not file.exists():
            msg = f"{folder}: no tokenizer.json in this model folder"
            raise BadConfigError(msg)
        tokenizer = Tokenizer.from_file(str(file))
        return cls(tokenizer, eos_ids=_eos_ids(folder, tokenizer))

    @property
    def num_tokens(self) -> int:
        """How many ids the tokenizer knows; the model may have more rows."""
        return int(self._plain.get_vocab_size(with_added_tokens=True))

    def never_sampled(self, num_rows: int) -> list[int]:
        """Return the ids that no answer may hold: markers but the stop, rows that are no token."""
        return [self.system_id, self.label_id, *range(self.num_tokens, num_rows)]

    def encode(self, segments: Sequence[Segment]) -> Encoded:
        """Return the ids of segments, each encoded by itself, after the base tokenizer's BOS."""
        ids: list[int] = list(self.bos_ids)
        mask: list[bool] = [False] * len(ids)
        for segment in segments:
            new = self._segment_ids(segment)
            ids += new
            mask += [segment.bears_loss] * len(new)
        return Encoded(tuple(ids), tuple(mask))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without markers and other special tokens."""
        return str(self._plain.decode(list(ids), skip_special_tokens=True))

    def text_ids(self, text: str) -> tuple[int, ...]:
        """Return the ids of a text that is a unit of tokenisation."""
        return self._text_ids(text)

    def count(self, text: str) -> int:
        """Return the number of tokens of a text."""
        return len(self._text_ids(text))

    def encode_training(
        self,
        conversation: Conversation,
        schema: Schema,
        default_labels: Mapping[str, int],
        max_length_tokens: int,
    ) -> Encoded | None:
        """Return the ACSFT form cut to a length; None if no cut does, or nothing bears loss."""

        def encode(shorter: Conversation) -> Encoded:
            return self.encode(training_segments(shorter, schema, default_labels))

        encoded = fit_length(encode, conversation, max_length_tokens)
        return encoded if encoded is not None and encoded.num_targets else None

    def encode_prompt(
        self,
        conversation: Conversation,
        labels: Mapping[str, int],
        schema: Schema,
        max_length_tokens: int,
    ) -> Encoded | None:
        """Return the prompt form cut to a length (the answer is not counted); None: impossible."""

        def encode(shorter: Conversation) -> Encoded:
            return self.encode(prompt_segments(shorter, labels, schema))

        return fit_length(encode, conversation, max_length_tokens)

    def encode_scoring(
        self, conversation: Conversation, turn_index: int, max_length_tokens: int
    ) -> Encoded | None:
        """Return the scoring form of one answer cut to a length; None: impossible."""

        def encode(shorter: Conversation) -> Encoded:
            return self.encode(scoring_segments(shorter, len(shorter.turns) - 1))

        prefix = replace(conversation, turns=conversation.turns[: turn_index + 1])
        return fit_length(encode, prefix, max_length_tokens)

    def encode_values(
        self,
        conversation: Conversation,
        turn_index: int,
        labels: Mapping[str, int],
        schema: Schema,
        max_length_tokens: int,
    ) -> Encoded | None:
        """Return the value form of one answer cut to a length; None: impossible."""

        def encode(shorter: Conversation) -> Encoded:
            return self.encode(value_segments(shorter, len(shorter.turns) - 1, labels, schema))

        prefix = replace(conversation, turns=conversation.turns[: turn_index + 1])
        return fit_length(encode, prefix, max_length_tokens)

    def _segment_ids(self, segment: Segment) -> tuple[int, ...]:
        if segment.kind is SegmentKind.MARKER:
            return (self.marker_ids[segment.text],)
        return self._text_ids(segment.text)

    def _encode_text(self, text: str) -> tuple[int, ...]:
        return tuple(self._plain.encode(text, add_special_tokens=False).ids)


def fit_length(
    encode: Callable[[Conversation], Encoded], conversation: Conversation, max_length_tokens: int
) -> Encoded | None:
    """Encode the conversation, without as many of its first turns as must go to fit.

    What is left starts with a user turn; system prompt, last question, and all that follows it
    stay whole. None: even these are too long.
    """
    for start in (0, *_later_questions(conversation)):
        shorter = replace(conversation, turns=conversation.turns[start:])
        encoded = encode(shorter)
        if len(encoded.ids) <= max_length_tokens:
            return replace(encoded, first_turn=start)
    return None


def prefix_only_at_start(tokenizer_json: dict[str, Any]) -> dict[str, Any]:
    """Return a tokenizer.json whose SentencePiece dummy prefix occurs only at the very start.

    The older form of Llama tokenizers puts it before every piece between two special tokens.
    """
    changed = json.loads(json.dumps(tokenizer_json))
    steps = _steps(changed.get("normalizer"), "normalizers")
    if any(step["type"] == "Prepend" for step in steps):
        rest = [s for s in steps if s["type"] != "Prepend" and not _replaces_space(s)]
        changed["normalizer"] = {"type": "Sequence", "normalizers": rest} if rest else None
        changed["pre_tokenizer"] = {
            "type": "Metaspace",
            "replacement": "▁",
            "prepend_scheme": "first",
            "split": False,
        }
    for step in _steps(changed.get("pre_tokenizer"), "pretokenizers"):
        if step["type"] == "Metaspace" and step.get("prepend_scheme") == "always":
            step["prepend_scheme"] = "first"
    return changed  # type: ignore[no-any-return]  # json.loads of a dict


def _later_questions(conversation: Conversation) -> tuple[int, ...]:
    return tuple(i for i, turn in enumerate(conversation.turns) if i and turn.role is Role.USER)


def _without_prefix(tokenizer: Tokenizer) -> Tokenizer:
    """Return a copy that encodes special tokens as text and never adds a dummy prefix."""
    state = prefix_only_at_start(json.loads(tokenizer.to_str()))
    for step in _steps(state.get("pre_tokenizer"), "pretokenizers"):
        if step["type"] == "Metaspace":
            step["prepend_scheme"] = "never"
        if step["type"] == "ByteLevel":
            step["add_prefix_space"] = False
    state["truncation"] = state["padding"] = None
    plain = Tokenizer.from_str(json.dumps(state))
    plain.encode_special_tokens = True
    return plain


def _added_before(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the ids that the tokenizer puts before a text: BOS, or none."""
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    full = tokenizer.encode("a").ids
    starts = (i for i in range(len(full)) if full[i : i + len(bare)] == bare)
    return tuple(full[: next(starts, 0)])


def _steps(component: dict[str, Any] | None, key: str) -> list[dict[str, Any]]:
    """Return the steps of a normalizer or pre-tokenizer, which may be one or a sequence."""
    if component is None:
        return []
    return component[key] if component["type"] == "Sequence" else [component]


def _replaces_space(step: dict[str, Any]) -> bool:
    return step["type"] == "Replace" and step.get("pattern") == {"String": " "}


def _eos_ids(folder: Path, tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the base model's ends of text, as generation_config, config or tokenizer name them."""
    found: list[int] = []
    for name in ("generation_config.json", "config.json"):
        value = _json(folder / name).get("eos_token_id")
        found += value if isinstance(value, list) else [] if value is None else [value]
    eos = _json(folder / "tokenizer_config.json").get("eos_token")
    text = eos.get("content") if isinstance(eos, dict) else eos
    eos_id = None if text is None else tokenizer.token_to_id(text)
    found += [] if eos_id is None else [eos_id]
    markers = {tokenizer.token_to_id(m) for m in MARKERS}
    return tuple(sorted({int(i) for i in found} - markers))


def _json(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}
