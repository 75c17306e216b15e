import json

import pytest
import torch
from safetensors.torch import load_file

from steerlm_jobs.contract.recipes import Lora
from steerlm_jobs.models.lora import add_adapters, merged, save_adapter, trained_parameters
from steerlm_jobs.models.marking import row_parameters
from tests.unit.models.builders import a_model

MARKERS = [401, 402, 403]
LORA = Lora(rank=4, alpha=8)
IDS = torch.tensor([[1, 5, 402, 9, 401, 77, 403]])


def disturbed(model):
    """Move everything that is trained, as training would."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in trained_parameters(model).values():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("is_tied", [False, True])
@torch.no_grad()
def test_the_merged_model_says_what_the_live_one_says(is_tied):
    live = a_model(is_tied=is_tied)
    base = live(IDS).logits
    add_adapters(live, LORA, MARKERS, seed=3)
    torch.testing.assert_close(live(IDS).logits, base)
    disturbed(live)
    plain = merged(a_model(is_tied=is_tied), LORA, MARKERS, trained_parameters(live))
    logits = plain(IDS).logits
    assert (logits - base).abs().max() > 0.1
    torch.testing.assert_close(logits, live(IDS).logits, rtol=1e-4, atol=1e-4)
    assert not any(
        "lora" in name or "token" in name for name in plain.state_dict() if "embed" not in name
    )
    assert (len(row_parameters(plain)) == 1) is is_tied


@pytest.mark.parametrize("is_tied", [False, True])
@torch.no_grad()
def test_merged_in_fp32_and_cast_once_logits_move_by_the_rounding_of_one_cast(is_tied):
    live = a_model(is_tied=is_tied).bfloat16().float()
    add_adapters(live, LORA, MARKERS, seed=3)
    base = a_model(is_tied=is_tied).bfloat16().float()
    plain = merged(base, LORA, MARKERS, trained_parameters(disturbed(live)))
    exact, cast = live(IDS).logits, plain.bfloat16().float()(IDS).logits
    assert 0 < (cast - exact).abs().max() <= 2e-2 * exact.abs().max()


@pytest.mark.parametrize("is_tied", [False, True])
def test_only_the_rows_of_the_markers_move(is_tied):
    live = a_model(is_tied=is_tied)
    add_adapters(live, LORA, MARKERS, seed=3)
    plain = merged(a_model(is_tied=is_tied), LORA, MARKERS, trained_parameters(disturbed(live)))
    for before, after in zip(
        row_parameters(a_model(is_tied=is_tied)), row_parameters(plain), strict=True
    ):
        moved = (before != after).any(dim=1).nonzero().flatten().tolist()
        assert moved == MARKERS


@pytest.mark.parametrize("is_tied", [False, True])
def test_all_linear_layers_are_adapted_and_all_that_is_trained_is_fp32(is_tied):
    live = a_model(is_tied=is_tied, dtype=torch.bfloat16)
    add_adapters(live, LORA, MARKERS, seed=3)
    trained = trained_parameters(live)
    assert {p.dtype for p in trained.values()} == {torch.float32}
    layers = {name.split(".lora_")[0].rpartition(".")[2] for name in trained if ".lora_" in name}
    expected = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert layers == expected
    rows = [name for name in trained if "trainable_tokens" in name]
    assert len(rows) == (1 if is_tied else 2)
    live(IDS).logits.float().sum().backward()
    assert all(trained[name].grad.abs().sum() > 0 for name in rows)


def test_the_adapter_is_the_same_for_the_same_seed_and_names_no_path(tmp_path):
    for name in ("a", "b"):
        live = a_model()
        live.config._name_or_path = str(tmp_path)
        add_adapters(live, LORA, MARKERS, seed=3)
        save_adapter(live, tmp_path / name)
    files = {
        name: {f.name: f.read_bytes() for f in (tmp_path / name / "adapter").iterdir()}
        for name in ("a", "b")
    }
    assert files["a"] == files["b"]
    assert set(files["a"]) == {"adapter_config.json", "adapter_model.safetensors"}
    config = json.loads(files["a"]["adapter_config.json"])
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (4, 8, "")
    assert load_file(tmp_path / "a" / "adapter" / "adapter_model.safetensors")
