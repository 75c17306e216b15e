from hypothesis import given
from hypothesis import strategies as st

from steerlm_jobs.generate.batches import PromptRows, prompt_batches


def test_equal_prompts_are_computed_once_and_the_longest_come_first():
    assert prompt_batches([[1], [2, 3], [1]], max_new_tokens=4, max_rows=9, max_tokens=99) == [
        [PromptRows((2, 3), (1,)), PromptRows((1,), (0, 2))]
    ]


prompts = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=6), max_size=30)


@given(prompts, st.integers(1, 5), st.integers(1, 8), st.integers(1, 60))
def test_every_row_is_in_one_batch_and_no_batch_is_too_large(prompts, new, max_rows, max_tokens):
    batches = prompt_batches(prompts, max_new_tokens=new, max_rows=max_rows, max_tokens=max_tokens)
    rows = [row for batch in batches for prompt in batch for row in prompt.rows]
    assert sorted(rows) == list(range(len(prompts)))
    for batch in batches:
        num_rows = sum(len(prompt.rows) for prompt in batch)
        longest = max(len(prompt.ids) for prompt in batch) + new
        assert num_rows <= max_rows
        assert num_rows == 1 or num_rows * longest <= max_tokens
        assert all(tuple(prompts[row]) == p.ids for p in batch for row in p.rows)
