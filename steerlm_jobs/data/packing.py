"""Packing: which conversations share a row. Pure, and the same for the same lengths."""

from collections.abc import Sequence


def best_fit_decreasing(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Return bins of indices into `lengths`, the longest first, each into the fullest that fits.

    Equal choices go to the lower index and the earlier bin. No bin holds more than `capacity`.

    Raises:
        ValueError: A length is above the capacity.
    """
    bins: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        length = lengths[index]
        if length > capacity:
            msg = f"a length of {length} does not fit into {capacity}"
            raise ValueError(msg)
        fitting = [b for b, left in enumerate(room) if left >= length]
        if fitting:
            chosen = min(fitting, key=lambda b: (room[b], b))
        else:
            chosen = len(bins)
            bins.append([])
            room.append(capacity)
        bins[chosen].append(index)
        room[chosen] -= length
    return bins
