# ruff: noqa: E501  # the messages are compared whole
import pytest

from steerlm_operator.api.loading import InvalidRunError, load_run

GOOD = """\
apiVersion: steerlm.dev/v1alpha1
kind: SteerLMRun
metadata: {name: try}
spec:
  model: {baseModelUri: "scratch:tiny"}
  attributes: [{name: quality}, {name: humor}]
  data:
    labelled: [{name: oasst, uri: oasst.jsonl}]
"""
"""Further lines of its spec start at line 9."""


def problems(text: str, **overrides: object) -> list[str]:
    with pytest.raises(InvalidRunError) as caught:
        load_run(text, file_name="run.yaml", overrides=overrides)
    lines = [str(problem) for problem in caught.value.problems]
    assert all(line.isprintable() for line in lines)
    return lines


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("  seed: '5'", "spec.seed: is '5': input should be a valid integer"),
        ("  seed: true", "spec.seed: is True: input should be a valid integer"),
        ("  seed: 5.0", "spec.seed: is 5.0: input should be a valid integer"),
        ("  suspend: 'yes'", "spec.suspend: is 'yes': input should be a valid boolean"),
        ("  seed: 2020-01-01", "spec.seed: is '2020-01-01': input should be a valid integer"),
        ("  stages: [a]", "spec.stages: is a list of 1; it should be a mapping"),
        (
            "  bootstrap: {maximise: quality}",
            "spec.bootstrap.maximise: is 'quality'; it should be a list: [quality]",
        ),
        (
            "  iterations: 2",
            "spec.iterations: no such field; write it as spec.bootstrap.iterations",
        ),
        (
            "  stages: {trainApm: {method: Lora}}",
            "spec.stages.trainApm.method: no such field; write it as spec.stages.trainApm.training.method",
        ),
        (
            "    attributes: [{name: humor}]",
            "spec.data.attributes: no such field; write it as spec.attributes",
        ),
        (
            "    pairs: Chosen",
            "spec.data.pairs: no such field; write it as spec.data.labelled.pairs or spec.data.unlabelled.pairs",
        ),
        (
            "    unlabelled: [{name: b, uri: b, format: sharegpt}]",
            "spec.data.unlabelled[0].format: is 'sharegpt'; allowed: 'Auto', 'Oasst', 'HelpSteer', 'HhRlhf', 'Prompts', "
            "'ShareGpt', 'NemoSft' or 'NemoRegression'; did you mean ShareGpt?",
        ),
        (
            "    unlabelled: chats.jsonl",
            "spec.data.unlabelled: is 'chats.jsonl'; it should be a list: [{uri: chats.jsonl}]",
        ),
        (
            "    unlabelled: [chats.jsonl]",
            "spec.data.unlabelled[0]: is 'chats.jsonl'; it should be a mapping: {uri: chats.jsonl}",
        ),
        (
            "    unlabelled: s3://me:hunter2@host/chats",
            "spec.data.unlabelled: is not shown, for it may hold credentials; it should be a list",
        ),
        ("  stages: Lora", "spec.stages: is 'Lora'; it should be a mapping"),
        (
            "  bootstrap: {iteratoins: 1}",
            "spec.bootstrap.iteratoins: no such field; did you mean iterations?",
        ),
        (
            "  stages: {trainApm: {training: {learning_rate: '1e-3'}}}",
            "spec.stages.trainApm.training.learning_rate: no such field; did you mean learningRate?",
        ),
        (
            "  bootstrap: {temperature: '1e999'}",
            "spec.bootstrap.temperature: is '1e999': is out of all proportion",
        ),
        (
            "  bootstrap: {temperature: .nan}",
            "spec.bootstrap.temperature: is nan: must be a finite number",
        ),
        (
            "  bootstrap: {samplesPerPrompt: 2, filter: {kind: TopN, topN: 3}}",
            "spec.bootstrap.filter.topN: is 3, above samplesPerPrompt 2",
        ),
        (
            "  bootstrap: {maximise: [humor], limits: {humor: 2}}",
            "spec.bootstrap.maximise[0]: humor has a limit of 2: choose one",
        ),
        (
            "  retry: {count: 1, fromStage: sampel-1}",
            "spec.retry.fromStage: is 'sampel-1', no stage of this run (prepare, train-apm, annotate, "
            "train-acsft, evaluate, sample-1, annotate-1, train-acsft-1, train-judge)",
        ),
        (
            "    unlabelled: [{name: oasst, uri: b}]",
            "spec.data.unlabelled[0].name: another source is called 'oasst', too; give it another name",
        ),
        (
            "    unlabelled: [{name: template, uri: b}]",
            "spec.data.unlabelled[0].name: template is no name for a source; give it another",
        ),
        (
            "    unlabelled: [{name: b, uri: b, format: Oasst, pairs: Chosen}]",
            "spec.data.unlabelled[0].pairs: is for format HhRlhf; Oasst has no pairs",
        ),
    ],
)
def test_a_wrong_value_gets_one_line(lines: str, problem: str):
    assert problems(f"{GOOD}{lines}\n") == [f"run.yaml:9: {problem}"]


def test_pairs_cannot_stand_for_labels():
    text = GOOD.replace("uri: oasst.jsonl", "uri: a, format: HhRlhf")
    assert problems(text) == [
        "run.yaml:8: spec.data.labelled[0].format: HhRlhf has no labels: move it to unlabelled, or "
        "give labels: [{fromMeter: Words, to: verbosity}]"
    ]


def test_a_run_without_labelled_data_is_refused():
    text = GOOD.replace("[{name: oasst, uri: oasst.jsonl}]", "[]")
    assert problems(text) == ["run.yaml:8: spec.data.labelled: has 0 items; at least 1"]


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("uri: oasst.jsonl", "uri: 's3://AKIA:hunter2@bucket/x'"),
        GOOD.replace("scratch:tiny", "https://me:hunter2@host/model"),
        GOOD.replace("uri: oasst.jsonl", "uri: x, format: 's3://AKIA:hunter2@bucket/x'"),
        GOOD.replace('"scratch:tiny"', "a, tokenSecretName: hf_hunter2"),
        f"{GOOD}  storage: {{credentials: {{secretKey: hunter2}}}}\n",
        f"{GOOD}  defaults: {{env: [{{name: TOKEN, value: [hunter2]}}]}}\n",
    ],
)
def test_secrets_are_refused_and_never_repeated(text: str):
    assert "hunter2" not in "".join(problems(text))


@pytest.mark.parametrize(
    ("judge", "bootstrap", "found"),
    [
        ("{endpointUrl: 'ftp://x', model: m}", "", [".endpointUrl: write http://HOST/PATH or https://HOST/PATH, without '?' and '#'"]),
        ("{endpointUrl: 'https://x/v1?key=hunter2', model: m}", "", [".endpointUrl: write http://HOST/PATH or https://HOST/PATH, without '?' and '#'"]),
        ("{endpointUrl: 'https://x/v1', model: m, maxCost: 3}", "", [".maxCost: needs pricePerMillionInputTokens and pricePerMillionOutputTokens"]),
        ("{endpointUrl: 'https://x/v1', model: m, pricePerMillionInputTokens: 3}", "", [": give both pricePerMillionInputTokens and pricePerMillionOutputTokens, or none"]),
        ("{endpointUrl: 'https://x/v1', model: m}", "  bootstrap: {iterations: 0}\n", [": there is no model to compare with: raise bootstrap.iterations or name baselines"]),
    ],
)  # fmt: skip
def test_a_judge_that_cannot_be_asked_is_refused(judge: str, bootstrap: str, found: list[str]):
    lines = f"  stages: {{evaluate: {{judge: {judge}}}}}\n{bootstrap}"
    at = "run.yaml:9: spec.stages.evaluate.judge"
    assert problems(f"{GOOD}{lines}") == [f"{at}{line}" for line in found]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: &a [*a]\n", "run.yaml:1: not YAML: nested deeper than 50"),
        (
            "".join(f"{c}: &{c} [{', '.join([f'*{b}'] * 9)}]\n" for b, c in zip("xabcdef", "abcdefg", strict=True)).replace("*x", "1"),
            "run.yaml:1: not YAML: more than 20000 values",
        ),
        (f"{GOOD}  ? [a, b]\n  : 3\n", "run.yaml:9: not YAML: a key is no text"),
        (f"{GOOD}---\na: 1\n", "run.yaml:9: holds more than one document; a run is a file with one"),
        (f"{GOOD}\tseed: 1\n", "run.yaml:9: not YAML: found character '\\t' that cannot start any token; indent with spaces, not with tabs"),
    ],
)  # fmt: skip
def test_hostile_yaml_gets_one_line(text: str, line: str):
    assert problems(text) == [line]


def test_what_an_anchor_names_is_copied_so_that_a_change_of_one_leaves_the_other_alone():
    text = f"{GOOD}  stages: {{annotate: &s {{retry: {{limit: 1}}}}, sample: {{<<: *s}}, prepare: *s}}\n"
    run = load_run(text, file_name="run.yaml", overrides={"spec.stages.annotate.retry.limit": 5})
    limits = [s.retry and s.retry.limit for s in (run.spec.stages.annotate, run.spec.stages.sample, run.spec.stages.prepare)]  # fmt: skip
    assert limits == [5, 1, 1]


def test_an_item_without_a_required_field_does_not_hide_rules_broken_elsewhere():
    lines = "  stages: {evaluate: {meters: [{name: m}, {name: n, attribute: wit, pattern: '('}]}}\n"
    assert problems(f"{GOOD}{lines}") == [
        "run.yaml:9: spec.stages.evaluate.meters[0].attribute: is required",
        "run.yaml:9: spec.stages.evaluate.meters[0].pattern: is required",
        "run.yaml:9: spec.stages.evaluate.meters[1].attribute: 'wit' is no attribute of this run (humor, quality)",
        "run.yaml:9: spec.stages.evaluate.meters[1].pattern: is no regular expression: missing ), unterminated subpattern at position 0",
    ]


def test_attributes_as_words_and_a_model_as_an_address_are_told_as_they_are_written():
    text = GOOD.replace("[{name: quality}, {name: humor}]", "[quality, {name: humor}]")
    text = text.replace('{baseModelUri: "scratch:tiny"}', "hf://meta-llama/Llama-2-13b-hf")
    assert problems(text) == [
        "run.yaml:5: spec.model: is 'hf://meta-llama/Llama-2-13b-hf'; it should be a mapping: {baseModelUri: hf://meta-llama/Llama-2-13b-hf}",
        "run.yaml:6: spec.attributes[0]: is 'quality'; it should be a mapping: {name: quality}",
    ]


def test_a_wrong_attribute_is_not_held_against_what_names_it():
    text = GOOD.replace("{name: humor}", "{nam: humor, max: 9}")
    lines = "  bootstrap: {limits: {humor: 7}}\n"
    assert problems(f"{text}{lines}") == [
        "run.yaml:6: spec.attributes[1].nam: no such field; did you mean name?",
        "run.yaml:6: spec.attributes[1].name: is required",
    ]


def test_an_override_through_a_value_names_itself():
    assert problems(GOOD, **{"spec.seed.x": 1}) == [
        "--set spec.seed.x: spec.seed: is a mapping: input should be a valid integer"
    ]


def test_a_source_is_found_by_the_name_of_its_file_and_names_with_dots_in_brackets():
    text = GOOD.replace("name: oasst, uri", "uri").replace("]\n", ", {name: a.b, uri: c}]\n")
    text = text.replace("{name: humor}, {name: a.b, uri: c}]", "{name: humor}]")
    overrides = {"spec.data.labelled.oasst.weight": 2, "spec.data.labelled[a.b].weight": "0.5"}
    run = load_run(text, file_name="run.yaml", overrides=overrides)
    assert [str(s.weight) for s in run.spec.data.labelled] == ["2", "0.5"]
