"""Text meters: figures of a text that need no model. Pure."""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.recipes import Meter, MeterRule

_WORD: Final = re.compile(r"\w+(?:['\u2019]\w+)*")
_SENTENCE_END: Final = re.compile(r"[.!?]+(?:\s|$)")
_VOWELS: Final = re.compile(r"[aeiouy]+")


def count_words(text: str) -> float:
    """Return the number of words."""
    return float(len(_WORD.findall(text)))


def count_questions(text: str) -> float:
    """Return the number of question marks, a run of them as one."""
    return float(len(re.findall(r"[?\uff1f]+", text)))


def count_exclamations(text: str) -> float:
    """Return the number of exclamation marks, a run of them as one."""
    return float(len(re.findall(r"[!\uff01]+", text)))


def reading_grade(text: str) -> float:
    """Return the Flesch-Kincaid grade: US school years needed; 0 for an empty text.

    0.39 words/sentences + 11.8 syllables/words - 15.59, with syllables as groups of vowels.
    """
    words = _WORD.findall(text)
    if not words:
        return 0.0
    sentences = max(1, len(_SENTENCE_END.findall(text)))
    syllables = sum(max(1, len(_VOWELS.findall(word.casefold()))) for word in words)
    return 0.39 * len(words) / sentences + 11.8 * syllables / len(words) - 15.59


METERS: Final[dict[Meter, Callable[[str], float]]] = {
    Meter.WORDS: count_words,
    Meter.QUESTIONS: count_questions,
    Meter.EXCLAMATIONS: count_exclamations,
    Meter.READABILITY: reading_grade,
}


def rule_level(rule: MeterRule, attribute: Attribute, text: str) -> int:
    """Return the level that a meter rule sees: matches counted from the minimum, then clamped."""
    matches = sum(1 for _ in re.finditer(rule.pattern, text))
    return min(attribute.max, attribute.min + matches)


def edge_places(num_values: int, num_levels: int) -> tuple[int, ...]:
    """Return the places, among ordered values, of the `num_levels` - 1 edges between levels.

    They cut values into parts of about equal size. An edge is the last value of its lower part;
    equal values stay together in the lowest part they reach, so that texts without any question,
    say, have the lowest level however many they are.
    """
    if not num_values:
        return ()
    ends = (num_values * k // num_levels for k in range(1, num_levels))
    return tuple(max(0, end - 1) for end in ends)


def level_of(value: float, edges: Sequence[float], attribute: Attribute) -> int:
    """Return the level of a value, given the edges between levels."""
    return min(attribute.max, attribute.min + bisect_left(edges, value))
