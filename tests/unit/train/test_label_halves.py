from dataclasses import replace

import pytest

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.recipes import LabelGroups
from steerlm_jobs.train.label_halves import chosen_half, half_notes
from tests.unit.template.builders import SCHEMA, a_conversation, assistant, user

EVEN, ODD = (LabelGroups(parity=parity, seed=1) for parity in ("Even", "Odd"))


def judged(num, **labels):
    answer = assistant("So.", **labels)
    return [replace(a_conversation(user("Why?"), answer), group=f"g{i}") for i in range(num)]


def test_each_group_is_learnt_from_by_one_of_the_two():
    conversations = judged(50, quality=1)
    halves = [list(chosen_half(conversations, groups)) for groups in (EVEN, ODD)]
    names = [{c.group for c in half} for half in halves]
    assert not names[0] & names[1]
    assert names[0] | names[1] == {c.group for c in conversations}
    assert list(chosen_half(conversations, None)) == conversations


def test_an_attribute_without_a_label_in_one_half_ends_the_run_with_a_way_out():
    conversations = [*judged(60, humor=1), *judged(1, quality=1)]
    with pytest.raises(BadInputError, match=r"quality: (0|1) \(even\) and (0|1) \(odd\): add data"):
        half_notes(conversations, SCHEMA, EVEN)


def test_few_labels_in_a_half_are_warned_of_whichever_half_is_learnt_from():
    conversations = judged(150, humor=1, quality=1)
    found = half_notes(conversations, SCHEMA, EVEN)
    assert found == half_notes(conversations, SCHEMA, ODD)
    assert [line.partition(":")[0] for line in found] == ["quality", "humor"]
    assert "secondScorer to None" in found[0]
    assert half_notes(judged(400, humor=1, quality=1), SCHEMA, EVEN) == []


def test_a_message_that_stands_on_two_paths_is_one_label():
    shared = replace(assistant("So.", quality=1, humor=1), message_id="m")
    paths = [
        replace(a_conversation(user("Why?"), shared, user(str(i))), group="g") for i in range(300)
    ]
    conversations = [*paths, *judged(400, quality=1, humor=1)]
    assert half_notes(conversations, SCHEMA, EVEN) == []
    with pytest.raises(BadInputError):
        half_notes(paths, SCHEMA, EVEN)
