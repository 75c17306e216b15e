"""What of an object is kept in memory: all that a pass reads, and little else.

Who set which field (`managedFields`) is half of a run; a Job holds the frozen stage config and its
pod template, and each of its pods both once more. None of them is ever read from the cache. Of what
is kept most words are the same in each object, names of fields before all: they are kept once
(docs/results.md has what a run takes).
"""

from typing import Any, Final

from steerlm_operator.cluster.api import Object, Resource
from steerlm_operator.cluster.pods import INDEX_LABEL

_SPEC: Final = {
    Resource.JOBS: ("backoffLimitPerIndex", "completions", "suspend"),
    Resource.PODS: ("nodeName",),
}
_LONGEST_WORD: Final = 64
"""Longer ones are messages, which differ."""
_MOST_WORDS: Final = 20_000
_WORDS: Final[dict[str, str]] = {}
"""Each word that was seen, until there are many: then those that come are kept as they come.
`sys.intern` has no such bound, and keeps all for ever in Python 3.12 (cpython issue 113993)."""


def trimmed(resource: Resource, found: Object) -> Object:
    """Return an object without what nobody reads; the given one is not changed."""
    metadata: dict[str, Any] = {k: v for k, v in found["metadata"].items() if k != "managedFields"}
    kept: Object = {**found, "metadata": metadata}
    if resource in _SPEC:
        annotations = metadata.pop("annotations", {})
        if resource is Resource.PODS and INDEX_LABEL in annotations:
            metadata["annotations"] = {INDEX_LABEL: annotations[INDEX_LABEL]}
        spec = found.get("spec", {})
        kept["spec"] = {name: spec[name] for name in _SPEC[resource] if name in spec}
    return {_kept_once(name): _with_words_kept_once(value) for name, value in kept.items()}


def _with_words_kept_once(value: Any) -> Any:  # Any: JSON
    if type(value) is dict:
        return {_kept_once(name): _with_words_kept_once(inner) for name, inner in value.items()}
    if type(value) is list:
        return [_with_words_kept_once(inner) for inner in value]
    if type(value) is str and len(value) <= _LONGEST_WORD:
        return _kept_once(value)
    return value


def _kept_once(word: str) -> str:
    known = _WORDS.get(word)
    if known is None and len(_WORDS) < _MOST_WORDS:
        _WORDS[word] = word
    return known or word
