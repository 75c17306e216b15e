import pytest
import torch

from steerlm_jobs.models.cached_rows import CachedRows
from tests.unit.models.builders import a_model

PROMPTS = [[5, 9, 33], [7, 8, 3, 20, 100, 11, 12]]


def after(model, ids):
    """The definition: no cache, no batch, no padding."""
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0, -1]


def are_close(rows, model, texts):
    expected = torch.stack([after(model, ids) for ids in texts])
    torch.testing.assert_close(rows.logits_BV, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_appended_tokens_count_as_if_each_row_had_been_read_alone(mode):
    model = a_model()
    with mode():
        rows = CachedRows(model, PROMPTS)
        texts = list(PROMPTS)
        for new in ([[1, 2, 3], [4]], [[], [5, 6]], [[], []], [[7], []], [[1] * 90, [2] * 70]):
            rows.append(new)
            texts = [text + ids for text, ids in zip(texts, new, strict=True)]
            are_close(rows, model, texts)


def test_a_branch_grows_by_itself():
    model = a_model()
    with torch.inference_mode():
        rows = CachedRows(model, PROMPTS)
        branch = rows.branch()
        branch.append([[1, 2], [3]])
        are_close(rows, model, PROMPTS)
        rows.append([[4], [5, 6]])
        are_close(branch, model, [[*PROMPTS[0], 1, 2], [*PROMPTS[1], 3]])
        are_close(rows, model, [[*PROMPTS[0], 4], [*PROMPTS[1], 5, 6]])
        assert branch._model is model


def test_rows_of_one_prompt_share_its_computation_and_leave_one_by_one():
    model = a_model()
    with torch.inference_mode():
        rows = CachedRows(model, PROMPTS, [2, 1])
        rows.step(torch.tensor([1, 2, 3]))
        rows.keep([0, 2])
        rows.step(torch.tensor([4, 5]))
    are_close(rows, model, [[*PROMPTS[0], 1, 4], [*PROMPTS[1], 3, 5]])
