"""All turns of a conversation in one pass against turn by turn, scored turns per second on the CPU.

    python -m benchmarks.scoring

Rivals: one request a turn, and batches of single turns sorted by length; the better of the two in
each round counts. All score the same distinct turns. Conversations are the paths of random trees
whose shape is about that of OASST; lengths of messages are lognormal. The target is 0.85 times
what the tokens alone would give: tokens of all prefixes / tokens of our rows.
"""

import math
from collections.abc import Sequence

import torch
from transformers import LlamaConfig, LlamaModel

from benchmarks.frame import Result
from steerlm_jobs.data.tokens import Encoded
from steerlm_jobs.models.apm import SCORING_TOKENS, Apm
from steerlm_jobs.models.leaf_markers import (
    Ids,
    ScoringRow,
    batch_tensors,
    scoring_batches,
    scoring_rows,
)
from steerlm_jobs.models.leaf_probe import NO_LIMIT
from steerlm_jobs.store.clock import monotonic_seconds

_REPEATS = 5
_TREES = 6
_MAX_LENGTH = 1024
_VOCABULARY = 4096
_MARKER = 3
_SHARE_OF_TOKEN_RATIO = 0.85


def main() -> None:
    """Measure in turns, so that a busy machine slows all, and print one line of JSON last."""
    apm = _apm()
    conversations = _conversations()
    together, alone = (scoring_rows(conversations, limit) for limit in (NO_LIMIT, 0))
    num_turns = len(alone)
    max_tokens = SCORING_TOKENS["cpu"]
    ways: dict[str, Sequence[Sequence[ScoringRow]]] = {
        "one pass": scoring_batches(together, max_tokens),
        "sorted batches": scoring_batches(alone, max_tokens),
        "one request a turn": [[row] for row in alone],
    }
    for batches in ways.values():
        _seconds(apm, batches[:2])  # warm-up
    rounds = [
        {way: num_turns / _seconds(apm, batches) for way, batches in ways.items()}
        for _ in range(_REPEATS)
    ]
    ratio = sum(row.num_tokens for row in alone) / sum(row.num_tokens for row in together)
    print(f"{num_turns} turns, token ratio {ratio:.3f}")
    for way in ways:
        print(f"{way}: {max(speeds[way] for speeds in rounds):.2f} turns/s at best")
    result = Result(
        name="scoring",
        unit="turns/s",
        against="the better of one request a turn and single turns sorted by length",
        target=round(_SHARE_OF_TOKEN_RATIO * ratio, 3),
        values=[speeds["one pass"] for speeds in rounds],
        rivals=[max(speeds["sorted batches"], speeds["one request a turn"]) for speeds in rounds],
    )
    print(result.line())


def _apm() -> Apm:
    """Return the layers of SmolLM2-135M, fewer of them, with random weights."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=_VOCABULARY,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=4,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=_MAX_LENGTH,
    )
    return Apm(LlamaModel(config), 5).eval()


def _conversations() -> list[list[Encoded]]:
    """Return the paths from root to leaf, each as the prefixes that end with an answer."""
    generator = torch.Generator().manual_seed(0)

    def chance() -> float:
        return float(torch.rand(1, generator=generator))

    def message() -> Ids:
        length = math.exp(4.3 + 0.8 * float(torch.randn(1, generator=generator)))
        num_tokens = min(max(int(length), 4), _MAX_LENGTH // 6)
        return tuple(torch.randint(4, _VOCABULARY, (num_tokens,), generator=generator).tolist())

    def paths(prefix: Ids, answers: tuple[Encoded, ...]) -> list[list[Encoded]]:
        """Answer the question at the end of `prefix` up to three times, and go on from there."""
        found = []
        for _ in range(1 + int(3 * chance())):
            ids = (*prefix, *message())
            so_far = (*answers, Encoded((*ids, _MARKER), (False,) * (len(ids) + 1)))
            goes_on = len(so_far) < 3 and chance() < 0.5
            found += paths((*ids, *message()), so_far) if goes_on else [list(so_far)]
        return found

    return [path for _ in range(_TREES) for path in paths(message(), ())]


@torch.inference_mode()
def _seconds(apm: Apm, batches: Sequence[Sequence[ScoringRow]]) -> float:
    """Return the seconds that all batches take."""
    started, device = monotonic_seconds(), torch.device("cpu")
    for rows in batches:
        apm.head(apm.marker_states(batch_tensors(rows, _MARKER, device)))
    return monotonic_seconds() - started


if __name__ == "__main__":
    main()
