import json

import pytest

from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.models.loading import load_causal_lm, load_tokenizer, save_model
from tests.unit.models.builders import a_model, an_unmarked_tokenizer


@pytest.fixture
def folder(tmp_path):
    model = a_model()
    save_model(model, tmp_path / "model", an_unmarked_tokenizer(), model.dtype)
    return tmp_path / "model"


def test_a_folder_without_config_is_refused(tmp_path):
    with pytest.raises(BadConfigError, match=r"no config\.json: this is not a Hugging Face model"):
        load_causal_lm(tmp_path)


def test_a_folder_without_safetensors_is_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BadConfigError, match=r"no \*\.safetensors .*convert its weights"):
        load_causal_lm(folder)


def test_a_folder_without_tokenizer_is_refused(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BadConfigError, match=r"no tokenizer in this model folder; add tokenizer"):
        load_tokenizer(folder)


def test_what_is_no_causal_language_model_is_refused_in_one_line(folder):
    config = {"model_type": "t5", "d_model": 8}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadConfigError, match="its model cannot be loaded") as caught:
        load_causal_lm(folder)
    assert "\n" not in str(caught.value)


def test_an_unknown_architecture_is_refused_in_one_line(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "nosuch"}))
    with pytest.raises(BadConfigError, match=r"its config\.json cannot be loaded") as caught:
        load_causal_lm(folder)
    assert "\n" not in str(caught.value)


def test_damaged_weights_are_refused_in_one_line(folder):
    (folder / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(BadConfigError, match="its model cannot be loaded") as caught:
        load_causal_lm(folder)
    assert "\n" not in str(caught.value)
