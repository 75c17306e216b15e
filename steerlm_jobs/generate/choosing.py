"""The choice of the next token, seeded per row."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from steerlm_jobs.generate.generator import Sampling

_STEPS_AHEAD: Final = 32
"""Noise is drawn for this many steps at once: one call a row instead of one a row and step."""


class TokenChooser:
    """Chooses one token per row: greedily, or from the top k by the row's own noise.

    Gumbel-max in its exponential form: the largest probability / Exp(1) noise is a draw from the
    probabilities. A row's noise comes from its own generator, so neither its neighbours nor when
    they leave the batch change what it gets.
    """

    def __init__(self, sampling: Sampling, seeds: Sequence[int], forbidden_V: Tensor) -> None:
        """Prepare one generator per row.

        Args:
            sampling: How to choose.
            seeds: One per row.
            forbidden_V: True where a token is never chosen.
        """
        self._sampling = sampling
        self._forbidden_V = forbidden_V
        self._k = min(sampling.top_k, int((~forbidden_V).sum()))
        self._generators = [] if sampling.is_greedy else [_generator(seed) for seed in seeds]
        self._noise_BSK = torch.empty(0)
        self._step = 0

    def choose(self, logits_BV: Tensor) -> Tensor:
        """Return the next token of each row."""
        logits_BV = logits_BV.float().masked_fill(self._forbidden_V, -torch.inf)
        if self._sampling.is_greedy:
            return logits_BV.argmax(-1)
        top_BK, ids_BK = torch.topk(logits_BV / self._sampling.temperature, self._k)
        chosen_B1 = (top_BK.softmax(-1) / self._noise().to(top_BK)).argmax(-1, keepdim=True)
        return ids_BK.gather(1, chosen_B1).squeeze(1)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only."""
        if not self._sampling.is_greedy:
            self._generators = [self._generators[row] for row in rows]
            self._noise_BSK = self._noise_BSK[list(rows)]

    def _noise(self) -> Tensor:
        """Return this step's noise [B, K]."""
        place = self._step % _STEPS_AHEAD
        if place == 0:
            shape = (_STEPS_AHEAD, self._k)
            drawn = [torch.empty(shape).exponential_(generator=g) for g in self._generators]
            self._noise_BSK = torch.stack(drawn)
        self._step += 1
        return self._noise_BSK[:, place]


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed % (1 << 63))  # torch takes 64 bits, signed
