"""What a cluster asks of a run and one machine does not: where data and results lie. Pure.

The API server says the same in CEL (crd/cel.py, from the patterns below), or by its own rules for
the metadata of all objects.
"""

import re
from collections.abc import Iterator
from typing import Final

from steerlm_operator.api.data_rules import CREDENTIALS, placed_addresses
from steerlm_operator.api.placement import CredentialsMode
from steerlm_operator.api.problems import Broken, Location, may_hold_a_secret, repeats
from steerlm_operator.api.rules import variables
from steerlm_operator.api.run import Metadata, RunSpec, SteerLMRun

S3_PATTERN: Final = "^s3://[^@/]+/.*"
MODEL_PATTERN: Final = "^(s3://[^@/]+/.+|hf://[^@/]+/[^@/]+(@[^/]+)?|scratch:tiny)$"
_S3_FORM: Final = "s3://bucket/path"
_MODEL_FORM: Final = "s3://bucket/path, hf://owner/name or scratch:tiny"
_BASE_MODEL: Final[Location] = ("spec", "model", "baseModelUri")
_PREFIX: Final[Location] = ("spec", "storage", "prefix")
_LABEL: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_DOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAMESPACE: Final = re.compile(r"([a-z0-9]([-a-z0-9]*[a-z0-9])?)?")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,15}")
_SHOWN_CHARACTERS: Final = 60
_MAX_ANNOTATIONS: Final = 262_144
"""Bytes of all of an object's annotations."""


def broken_cluster_rules(run: SteerLMRun) -> Iterator[Broken]:
    """Yield every rule of a cluster that the run breaks."""
    yield from _metadata(run.metadata)
    yield from _storage(run.spec)
    yield from _addresses(run.spec)
    yield from _environment(run.spec)


def _storage(spec: RunSpec) -> Iterator[Broken]:
    if not spec.storage.prefix:
        yield _PREFIX, "is required on a cluster, for the results: s3://bucket/path/"
    credentials = spec.storage.credentials
    if credentials.mode is CredentialsMode.SECRET and not credentials.secret_name:
        at: Location = ("spec", "storage", "credentials", "secretName")
        yield at, "is required with mode Secret: the name of a Secret with the keys of the store"


def _addresses(spec: RunSpec) -> Iterator[Broken]:
    for at, address in placed_addresses(spec):
        if not address or at[-1] == "endpointUrl" or CREDENTIALS.match(address):
            continue  # the last is refused everywhere, and not repeated
        is_model = at == _BASE_MODEL
        if not re.search(_whole(MODEL_PATTERN if is_model else S3_PATTERN), address):
            wanted = _MODEL_FORM if is_model else _S3_FORM
            yield at, f"{_why_not(address, at)}; on a cluster, write {wanted}"


def _why_not(address: str, at: Location) -> str:
    scheme, has_scheme, _ = address.partition("://")
    if has_scheme and scheme != "file" and _SCHEME.fullmatch(scheme):
        return f"is an address of the form {scheme}://"  # the rest may hold a signature
    is_prefix = at == _PREFIX
    if may_hold_a_secret(address):
        return "is no place a pod can write to" if is_prefix else "is no place a pod can read"
    shown = address if len(address) <= _SHOWN_CHARACTERS else f"{address[:_SHOWN_CHARACTERS]}..."
    if is_prefix:
        return f"is {shown!r}, where no pod can write"
    return f"is {shown!r}, which no pod can read: upload it"


def _whole(pattern: str) -> str:
    """Return a pattern whose `$` is the end of the text alone, as in Go: no newline follows."""
    return pattern.replace("$", r"\Z")


def _environment(spec: RunSpec) -> Iterator[Broken]:
    for at, names in variables(spec):
        for index in repeats(names):
            yield (*at, index, "name"), f"{names[index]!r} is given twice"


def _metadata(metadata: Metadata) -> Iterator[Broken]:
    """Yield what the API server refuses of any object's metadata."""
    at: Location = ("metadata",)
    if not _NAMESPACE.fullmatch(metadata.namespace):
        yield (*at, "namespace"), "write lower-case letters, digits and '-', at most 63"
    for key, value in metadata.labels.items():
        yield from _key((*at, "labels", key), key)
        if not _LABEL.fullmatch(value):
            rule = "at most 63 letters, digits, '-', '_' and '.', none of these three at an end"
            yield (*at, "labels", key), f"has the value {value!r}; write {rule}"
    for key in metadata.annotations:
        yield from _key((*at, "annotations", key), key.lower())
    size = sum(len(f"{k}{v}".encode()) for k, v in metadata.annotations.items())
    if size > _MAX_ANNOTATIONS:
        yield (*at, "annotations"), f"have {size} bytes; at most {_MAX_ANNOTATIONS}"


def _key(at: Location, key: str) -> Iterator[Broken]:
    domain, slash, name = key.rpartition("/")
    is_domain = not slash or (len(domain) <= 253 and _DOMAIN.fullmatch(domain))
    if not (name and _LABEL.fullmatch(name) and is_domain):
        yield at, "is no name of a label or an annotation; write name or domain/name"
