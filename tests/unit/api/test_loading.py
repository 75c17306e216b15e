# ruff: noqa: E501  # the messages are compared whole
from pathlib import Path

import pytest
import yaml

from steerlm_operator.api.loading import InvalidRunError, load_run, run_of
from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.api.unused import unused_fields

EXAMPLES = Path(__file__).parents[3] / "examples"
CLUSTER_EXAMPLES = EXAMPLES.parent / "crds/examples"
GOOD = """\
apiVersion: steerlm.dev/v1alpha1
kind: SteerLMRun
metadata: {name: try}
spec:
  model: {baseModelUri: "scratch:tiny"}
  attributes:
  - {name: quality}
  - {name: humor}
  data:
    labelled:
    - {name: oasst, uri: oasst.jsonl}
"""


def problems(text: str, **overrides: object) -> list[str]:
    with pytest.raises(InvalidRunError) as caught:
        load_run(text, file_name="run.yaml", overrides=overrides)
    return [str(problem) for problem in caught.value.problems]


def with_spec(lines: str) -> str:
    """The good run and further lines of its spec; they start at line 12."""
    return f"{GOOD}{lines}"


def test_all_errors_come_at_once_with_their_lines():
    text = GOOD.replace("{name: humor}", "{name: humor, max: four}") + (
        "  bootstrp: {iterations: 1}\n  seed: -1\n"
    )
    assert problems(text) == [
        "run.yaml:8: spec.attributes[1].max: is 'four': input should be a valid integer",
        "run.yaml:12: spec.bootstrp: no such field; did you mean bootstrap?",
        "run.yaml:13: spec.seed: is -1: input should be greater than or equal to 0",
    ]


def test_a_wrong_type_does_not_hide_a_broken_rule():
    text = GOOD.replace("{name: humor}", "{name: humor, target: 7}") + "  seed: soon\n"
    assert problems(text) == [
        "run.yaml:8: spec.attributes[1].target: is 7, outside 0..4 of humor",
        "run.yaml:12: spec.seed: is 'soon': input should be a valid integer",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD.replace("- {name: humor}", "- {name: quality}"), "8: spec.attributes[1]: 'quality' is given twice"),
        (
            GOOD.replace("{name: humor}", "{name: humor, target: 7}"),
            "8: spec.attributes[1].target: is 7, outside 0..4 of humor",
        ),
        (
            GOOD.replace("{name: humor}", "{name: wit}"),
            "8: spec.attributes[1]: target is required: 'wit' has no default",
        ),
        (
            with_spec("  stages: {evaluate: {gates: [{metric: steerability/humour/spearman, min: '0.5'}]}}\n"),
            "12: spec.stages.evaluate.gates[0].metric: metric 'steerability/humour/spearman' names no "
            "attribute of this run (quality, humor)",
        ),
        (
            with_spec("  stages: {evaluate: {gates: [{metric: apm/humor/mae}]}}\n"),
            "12: spec.stages.evaluate.gates[0]: give exactly one of min and max",
        ),
        (
            with_spec("  stages: {evaluate: {meters: [{name: m, attribute: humor, pattern: '('}]}}\n"),
            "12: spec.stages.evaluate.meters[0].pattern: is no regular expression: missing ), "
            "unterminated subpattern at position 0",
        ),
        (
            with_spec("  bootstrap: {limits: {toxicity: 0}}\n"),
            "12: spec.bootstrap.limits.toxicity: 'toxicity' is no attribute of this run (humor, quality)",
        ),
        (
            with_spec("  defaults: {env: [{name: AWS_SECRET_ACCESS_KEY, value: hunter2}]}\n"),
            "12: spec.defaults.env[0].name: AWS_SECRET_ACCESS_KEY is reserved; choose another variable",
        ),
        (
            with_spec("  stages: {trainAcsft: {training: {maxLengthTokens: 256}}, "
                      "evaluate: {maxNewTokens: 64}}\n"),
            "4: spec.bootstrap.maxNewTokens: is 1024 and leaves no room for a prompt: set it below "
            "256, trainAcsft's training.maxLengthTokens",
        ),
        (
            with_spec("  stages: {trainAcsft: {training: {zeroStage: '3', engine: Plain}}}\n"),
            "12: spec.stages.trainAcsft.training.zeroStage: is 3, but engine Plain does not shard: "
            "leave out one of them",
        ),
        (
            with_spec("  stages: {trainApm: {training: {bestBy: Quality}}}\n"),
            "12: spec.stages.trainApm.training.bestBy: Quality is for trainAcsft: an APM gives no answers",
        ),
        (
            with_spec("  stages: {trainAcsft: {training: {bestBy: Quality}}}\n").replace("name: quality", "name: coherence"),
            "12: spec.stages.trainAcsft.training.bestBy: 'quality' is no attribute of this run (coherence, humor)",
        ),
        (
            with_spec("  serve: {nemoGenerate: true}\n"),
            "12: spec.serve.nemoGenerate: true is not supported yet; leave it at its default",
        ),
        *(
            (
                with_spec(f"  stages: {{sample: {{resources: {{extended: {{{name}: 1}}}}}}}}\n"),
                f"12: spec.stages.sample.resources.extended.{name}: is no further resource; write "
                "domain/name, vpc.amazonaws.com/efa say, or hugepages-2Mi; GPUs, cpu and memory have "
                "fields of their own",
            )
            for name in ("nvidia.com/gpu", "cpu", "ephemeral-storage", "efa", "a b/c", "/x")
        ),
        (
            with_spec("  serve: {resources: {extended: {vpc.amazonaws.com/efa: 0}}}\n"),
            "12: spec.serve.resources.extended.vpc.amazonaws.com/efa: is 0: input should be greater than or equal to 1",
        ),
        (GOOD.replace("name: try", "name: Try_1"), "3: metadata.name: is 'Try_1': string should match pattern "
         "'^[a-z]([-a-z0-9]*[a-z0-9])?$'; lower-case letters, digits and '-', at most 40"),
        (f"{GOOD}  seed: 1\n  seed: 2\n", "13: spec.seed: is given twice"),
        (
            GOOD.replace("uri: oasst.jsonl", "uri: a, labels: [{from: x, fromMeter: Words, to: humor}]"),
            "11: spec.data.labelled[0].labels[0]: give exactly one of from and fromMeter",
        ),
    ],
)  # fmt: skip
def test_a_wrong_run_gets_one_line(text: str, line: str):
    assert problems(text) == [f"run.yaml:{line}"]


def test_a_value_that_may_be_a_secret_is_not_repeated():
    text = with_spec("  storage: {credentials: {mode: hunter2}}\n")
    assert "hunter2" not in "".join(problems(text))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [", "run.yaml:1: not YAML"),
        ("- a\n", "run.yaml:1: holds no SteerLMRun"),
        ("", "run.yaml:1: holds no SteerLMRun"),
        (
            "spec:\n\tseed: 1\n",
            "run.yaml:2: not YAML: found character '\\t' that cannot start any token; indent with spaces, not with tabs",
        ),
        (
            '{"prompt": "q", "response": "a"}\n',
            "run.yaml:1: holds no SteerLMRun: it has 'prompt', 'response', and a run apiVersion, kind, metadata, spec",
        ),
        (
            '{"prompt": "q"}\n{"prompt": "p"}\n',
            "run.yaml:2: holds more than one document; a run is a file with one",
        ),
        (
            f"{GOOD}---\n{GOOD}",
            "run.yaml:12: holds more than one document; a run is a file with one",
        ),
    ],
)
def test_what_is_no_mapping_gets_one_line(text: str, line: str):
    (found,) = problems(text)
    assert found.startswith(line)


def test_overrides_reach_list_items_by_name_and_number():
    run = load_run(
        GOOD,
        file_name="run.yaml",
        overrides={
            "spec.attributes.humor.target": 3,
            "spec.attributes[0].target": 2,
            "spec.bootstrap.iterations": 0,
        },
    )
    assert [a.target for a in run.spec.attributes] == [2, 3]
    assert run.spec.bootstrap.iterations == 0


def test_a_wrong_override_names_itself():
    assert problems(GOOD, **{"spec.attributes.humor.target": 9}) == [
        "--set spec.attributes.humor.target: spec.attributes[1].target: is 9, outside 0..4 of humor"
    ]
    assert problems(GOOD, **{"spec.attributes.wit.target": 9}) == [
        "--set spec.attributes.wit.target: spec.attributes has no item 'wit'; 2 items, by number or name"
    ]


def test_a_source_without_a_name_is_called_after_its_file():
    run = load_run(GOOD.replace("name: oasst, ", ""), file_name="run.yaml")
    assert run.spec.data.labelled[0].name == "oasst"


@pytest.mark.parametrize("name", ["quickstart", "real", "llama-2-13b"])
def test_examples_are_valid_and_survive_being_written_and_read(name: str):
    path = EXAMPLES / f"{name}.yaml"
    run = load_run(path.read_text(encoding="utf-8"), file_name=path.name)
    assert SteerLMRun.model_validate_json(run.model_dump_json(by_alias=True)) == run


def test_fields_for_a_cluster_are_named():
    run = load_run(
        with_spec(
            "  queue: {localQueue: a}\n  serve: {enabled: true}\n"
            "  stages: {annotate: {shards: 4}}\n"
        ),
        file_name="r",
    )
    assert unused_fields(run) == ("spec.queue", "spec.serve", "spec.stages.annotate.shards")


def test_on_one_machine_only_the_gpus_of_a_training_mean_something():
    resources = "resources: {gpus: 2, cpu: '4'}"
    stages = f"trainApm: {{{resources}}}, trainAcsft: {{resources: {{gpus: 2}}}}"
    run = load_run(with_spec(f"  stages: {{{stages}, annotate: {{{resources}}}}}\n"), file_name="r")
    assert unused_fields(run) == (
        "spec.stages.trainApm.resources.cpu",
        "spec.stages.annotate.resources",
    )


@pytest.mark.parametrize("name", ["quickstart", "a100-efa-kueue"])
def test_an_object_of_a_server_is_read_as_its_yaml_is(name: str):
    text = (CLUSTER_EXAMPLES / f"{name}.yaml").read_text()
    assert run_of(yaml.safe_load(text)) == (load_run(text, file_name=""), ())


def test_a_broken_object_of_a_server_gets_the_lines_that_its_yaml_gets():
    text = with_spec("  bootstrap: {iterations: 99, itterations: 1}\n")
    run, problems = run_of(yaml.safe_load(text))
    assert run is None
    shown = [(p.path, p.message) for p in problems]
    with pytest.raises(InvalidRunError) as by_text:
        load_run(text, file_name="run.yaml")
    assert shown == [(p.path, p.message) for p in by_text.value.problems]
    assert len(shown) == 2


def test_an_object_that_breaks_a_rule_is_read_all_the_same_and_a_stage_of_retry_is_no_matter_of_it():
    text = with_spec("  retry: {fromStage: trainApm}\n  serve: {engine: Vllm}\n")
    run, problems = run_of(yaml.safe_load(text))
    assert run is not None
    assert [p.path for p in problems] == ["spec.serve.engine"]
    with pytest.raises(InvalidRunError) as by_text:
        load_run(text, file_name="run.yaml")
    assert {p.path for p in by_text.value.problems} == {"spec.retry.fromStage", "spec.serve.engine"}
