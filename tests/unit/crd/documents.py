"""Run files as people write them, each with one thing that a cluster refuses and a machine takes.

tests/unit/crd/test_for_cluster.py sees `steerlm lint --cluster` refuse them; tests/cluster sees the
API server do so.
"""

from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).parents[3] / "crds/examples/quickstart.yaml"
_TWICE: Final = "env: [{name: A, value: b}, {name: A, value: c}]"

WRITTEN: Final[dict[str, tuple[str, str, str]]] = {
    "a gate without quotes": (
        '{metric: meter/jokes/spearman, min: "0.8"}',
        "{metric: meter/jokes/spearman, min: 0.8}",
        "spec.stages.evaluate.gates[0].min: is the number 0.8, and a cluster takes text: "
        'write "0.8", in quotes',
    ),
    "a decimal that PyYAML takes for text": (
        'training: {precision: Fp32, learningRate: "2e-3", epochs: 2,',
        "training: {precision: Fp32, learningRate: 2e-3, epochs: 2,",
        "spec.stages.trainApm.training.learningRate: is the number 2e-3, and a cluster takes text: "
        'write "2e-3", in quotes',
    ),
    "a whole number for a decimal": (
        "format: HelpSteer}",
        "format: HelpSteer, weight: 2}",
        "spec.data.labelled[1].weight: is the number 2, and a cluster takes text: "
        'write "2", in quotes',
    ),
    "a decimal with a space": (
        "minLabels: 100",
        'validationFraction: " 0.1"',
        "spec.data.validationFraction: should match pattern "
        "'^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?$' on a cluster",
    ),
    "a word that is true to kubectl": (
        "storage:\n",
        "storage:\n    s3: {region: y}\n",
        "spec.storage.s3.region: is true or false to kubectl, and a cluster takes text: "
        "put it in quotes",
    ),
    "minutes that are text to kubectl": (
        "minLabels: 100",
        "minLabels: 1:40",
        "spec.data.minLabels: is text, and a cluster takes a whole number",
    ),
    "a number beyond 64 bits": (
        "maxPrompts: 100\n",
        "maxPrompts: 18446744073709551616\n",
        "spec.bootstrap.maxPrompts: is the number 18446744073709551616, and a cluster takes "
        "a whole number",
    ),
    "a number in the environment, which may be a secret": (
        "annotate: {chunkRows: 512}",
        "annotate: {env: [{name: A, value: 1e3}]}",
        "spec.stages.annotate.env[0].value: is a number, and a cluster takes text: "
        "put it in quotes",
    ),
    "a text that is too long": (
        "annotate: {chunkRows: 512}",
        f"annotate: {{placement: {{nodeSelector: {{a: {'b' * 254}}}}}}}",
        "spec.stages.annotate.placement.nodeSelector.a: has 254 characters; at most 253 "
        "on a cluster",
    ),
    "a source without a name": (
        "- name: oasst\n      uri:",
        "- uri:",
        "spec.data.labelled[0].name: is required on a cluster",
    ),
    "no prefix": (
        "    prefix: s3://runs/quickstart/\n",
        "",
        "spec.storage.prefix: is required on a cluster, for the results: s3://bucket/path/",
    ),
    "a prefix on this machine": (
        "prefix: s3://runs/quickstart/",
        "prefix: runs/",
        "spec.storage.prefix: is 'runs/', where no pod can write; on a cluster, write "
        "s3://bucket/path",
    ),
    "a path": (
        "uri: s3://data/quickstart/prompts.jsonl",
        "uri: data/prompts.jsonl",
        "spec.data.evaluationPrompts.uri: is 'data/prompts.jsonl', which no pod can read: "
        "upload it; on a cluster, write s3://bucket/path",
    ),
    "a file:// address": (
        "uri: s3://data/quickstart/hh.jsonl.gz",
        "uri: file:///srv/hh.jsonl.gz",
        "spec.data.unlabelled[0].uri: is 'file:///srv/hh.jsonl.gz', which no pod can read: "
        "upload it; on a cluster, write s3://bucket/path",
    ),
    "an address that may hold a signature": (
        "uri: s3://data/quickstart/hh.jsonl.gz",
        "uri: 'https://data/hh.jsonl.gz?signature=secret'",
        "spec.data.unlabelled[0].uri: is an address of the form https://; on a cluster, write "
        "s3://bucket/path",
    ),
    "a model on this machine": (
        '"scratch:tiny"',
        "models/llama/",
        "spec.model.baseModelUri: is 'models/llama/', which no pod can read: upload it; "
        "on a cluster, write s3://bucket/path, hf://owner/name or scratch:tiny",
    ),
    "a Secret without a name": (
        "{mode: Secret, secretName: s3-credentials}",
        "{mode: Secret}",
        "spec.storage.credentials.secretName: is required with mode Secret: the name of a Secret "
        "with the keys of the store",
    ),
    "a variable twice": (
        "annotate: {chunkRows: 512}",
        f"annotate: {{{_TWICE}}}",
        "spec.stages.annotate.env[1].name: 'A' is given twice",
    ),
    "a label that is none": (
        "metadata: {name: quickstart}",
        "metadata: {name: quickstart, labels: {team: a b}}",
        "metadata.labels.team: has the value 'a b'; write at most 63 letters, digits, '-', '_' "
        "and '.', none of these three at an end",
    ),
    "an annotation that is none": (
        "metadata: {name: quickstart}",
        "metadata: {name: quickstart, annotations: {a/b/c: x}}",
        "metadata.annotations.a/b/c: is no name of a label or an annotation; write name or "
        "domain/name",
    ),
}
"""What is replaced in crds/examples/quickstart.yaml, by what, and what is said of it."""


def written(case: str) -> str:
    """Return the file of a case."""
    old, new, _ = WRITTEN[case]
    text = FILE.read_text(encoding="utf-8")
    if old not in text:
        msg = f"{FILE.name} has no {old!r}"
        raise ValueError(msg)
    return text.replace(old, new, 1)
