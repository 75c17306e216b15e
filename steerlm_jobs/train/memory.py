"""What to set where the device cannot hold a micro-batch."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from steerlm_jobs.contract.errors import OutOfMemoryError
from steerlm_jobs.train.batches import E, MicroBatch


def smaller_batch(longest_tokens: int, num_tokens: int) -> str:
    """Return what to set after a micro-batch did not fit into the device's memory.

    Args:
        longest_tokens: Of its longest conversation, which is never torn apart.
        num_tokens: Of the whole micro-batch, padding included.
    """
    half = num_tokens // 2
    if longest_tokens <= half:
        return f"set training.microBatchTokens to {half}"
    return (
        f"a single conversation has {longest_tokens}: set training.maxLengthTokens below that, "
        "or training.method to Lora, or use more GPUs with training.zeroStage 3"
    )


@contextmanager
def naming_a_batch_that_fits(batch: MicroBatch[E]) -> Iterator[None]:
    """Turn the device's lack of memory into an error that says what to set.

    Raises:
        OutOfMemoryError: The device could not hold what was computed of the batch.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        num_tokens = batch.ids_BT.numel()
        longest = max(len(example.ids) for example in batch.examples)
        msg = (
            f"the device ran out of memory at a micro-batch of {num_tokens} tokens; "
            f"{smaller_batch(longest, num_tokens)} ({error})"
        )
        raise OutOfMemoryError(msg) from error
