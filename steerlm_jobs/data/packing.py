"""Packing: which conversations share a row. Pure, and the same for the same lengths."""

from bisect import bisect_left, insort
from collections.abc import Sequence


def best_fit_decreasing(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Return bins of indices into `lengths`, the longest first, each into the fullest that fits.

    Equal choices go to the lower index and the earlier bin. No bin holds more than `capacity`.

    Raises:
        ValueError: A length is above the capacity.
    """
    bins: list[list[int]] = []
    rooms: list[tuple[int, int]] = []  # (tokens left, bin), sorted: the fullest that fits is next
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        length = lengths[index]
        if length > capacity:
            msg = f"a length of {length} does not fit into {capacity}"
            raise ValueError(msg)
        place = bisect_left(rooms, (length, 0))
        if place < len(rooms):
            room, chosen = rooms.pop(place)
        else:
            room, chosen = capacity, len(bins)
            bins.append([])
        bins[chosen].append(index)
        insort(rooms, (room - length, chosen))
    return bins
