from hypothesis import given
from hypothesis import strategies as st

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.recipes import PrepareRecipe, Source
from steerlm_jobs.data.conversations import Role
from steerlm_jobs.data.corpus import file_name, write_corpus
from steerlm_jobs.data.readers.raw import RawTurn
from steerlm_jobs.data.split import TRAIN, VALIDATION, group_of, half_of, split_of
from steerlm_jobs.process.progress import ProgressWriter
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.store.jsonl import read_jsonl
from tests.unit.data.builders import a_question, a_rating, a_tree, an_answer, written

words = st.sampled_from(["who", "WHO ", "where", "why", "how", "  how", "when"])
groups = st.lists(st.text(min_size=1, max_size=5))


@given(groups, groups, st.integers(0, 2**31), st.floats(0.01, 0.99))
def test_adding_data_moves_nothing(before, added, seed, fraction):
    alone = {group: split_of(group, seed, fraction) for group in before}
    together = {group: split_of(group, seed, fraction) for group in [*added, *before]}
    assert alone.items() <= together.items()


@given(groups, st.integers(0, 2**31))
def test_halves_of_the_labels_depend_on_seed_and_group_alone(names, seed):
    whole = {group: half_of(group, seed) for group in names}
    assert whole == {group: half_of(group, seed) for group in reversed(names)}
    assert set(whole.values()) <= {"Even", "Odd"}


def test_halves_are_halves_and_not_those_of_another_seed():
    groups = [f"g{i}" for i in range(2000)]
    odd = {seed: {g for g in groups if half_of(g, seed) == "Odd"} for seed in (1, 2)}
    assert 900 < len(odd[1]) < 1100
    assert 400 < len(odd[1] & odd[2]) < 600


@given(words, words, st.text(), st.text())
def test_answers_do_not_decide_the_group(first, second, one, other):
    same = first.split() == second.split() or first.casefold().split() == second.casefold().split()
    found = {
        group_of((RawTurn(Role.USER, q), RawTurn(Role.ASSISTANT, a)))
        for q, a in ((first, one), (second, other))
    }
    assert (len(found) == 1) == same


@given(
    st.lists(st.tuples(words, words), min_size=1, max_size=12),
    st.lists(st.tuples(st.sampled_from("abc"), words, words), min_size=1, max_size=12),
    st.integers(0, 100),
)
def test_no_question_stands_on_both_sides(tmp_path_factory, rated, told, seed):
    folder = tmp_path_factory.mktemp("split")
    roots = {
        "hs": written(folder / "hs.jsonl", [a_rating(q, a) for q, a in rated]),
        "oasst": written(
            folder / "trees.jsonl",
            [
                a_tree(a_question(q, an_answer(a, message_id=f"{i}.2"), message_id=f"{i}.1"), tree)
                for i, (tree, q, a) in enumerate(told)
            ],
        ),
    }
    recipe = PrepareRecipe(
        seed=seed,
        attributes=(Attribute(name="quality"),),
        labelled=(Source(name="hs"),),
        unlabelled=(Source(name="oasst"),),
        validation_fraction=0.5,
    )
    write_corpus(recipe, roots, folder, StopFlag(), ProgressWriter())
    sides = [
        {
            " ".join(row["turns"][0]["text"].casefold().split())
            for part in ("labelled", "unlabelled")
            for row in read_jsonl(folder / file_name(part, split))
        }
        for split in (TRAIN, VALIDATION)
    ]
    assert not sides[0] & sides[1]
    questions = [q for q, _ in rated] + [q for _, q, _ in told]
    assert len(sides[0] | sides[1]) == len({q.strip().casefold() for q in questions})
