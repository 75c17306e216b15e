import pytest

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.data.value_tries import Fork, LabelTries, ValueTrie, value_trie

EVEN = 0.5, 0.5


class Merging:
    """Cuts a text greedily into the longest pieces it knows, else into letters."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = sorted(pieces, key=len, reverse=True)
        self.vocabulary: list[str] = []

    def __call__(self, text: str) -> list[int]:
        return [self.id(piece) for piece in self.cut(text)]

    def cut(self, text: str) -> list[str]:
        found = []
        while text:
            piece = next((p for p in self.pieces if text.startswith(p)), text[0])
            found.append(piece)
            text = text.removeprefix(piece)
        return found

    def id(self, piece: str) -> int:
        if piece not in self.vocabulary:
            self.vocabulary.append(piece)
        return self.vocabulary.index(piece)

    def text(self, ids) -> str:
        return "|".join(self.vocabulary[i] for i in ids)


def tries(text_ids, **ranges: tuple[int, int]) -> LabelTries:
    attributes = (Attribute(name=n, min=low, max=high) for n, (low, high) in ranges.items())
    return LabelTries(text_ids, Schema(tuple(attributes)))


def described(trie: ValueTrie, cut: Merging) -> tuple[str, list[tuple[str, set[str]]]]:
    """Return what all values share, and of each fork its path and what may follow."""
    forks = [(cut.text(f.path), {cut.vocabulary[i] for i in f.next_ids}) for f in trie.forks]
    return cut.text(trie.shared), forks


def test_values_of_several_tokens_part_where_their_texts_do():
    trie = value_trie({1: (7, 1, 9), 2: (7, 2, 9), 10: (7, 1, 0, 9), 12: (7, 1, 2, 9)})
    assert trie == ValueTrie(
        shared=(7,),
        forks=(Fork((), (1, 2)), Fork((1,), (0, 2, 9))),
        routes={1: ((0, 0), (1, 2)), 2: ((0, 1),), 10: ((0, 0), (1, 0)), 12: ((0, 0), (1, 1))},
    )
    shares = trie.probabilities([(0.75, 0.25), (0.5, 0.3, 0.2)])
    assert shares == pytest.approx({1: 0.15, 2: 0.25, 10: 0.375, 12: 0.225})
    assert sum(shares.values()) == pytest.approx(1)


def test_an_attribute_with_one_value_needs_no_choice():
    assert value_trie({3: (7, 3, 9)}) == ValueTrie((), (), {3: ()})
    assert value_trie({3: (7, 3, 9)}).probabilities([]) == {3: 1}


def test_ten_and_one_are_told_by_what_follows_the_one():
    cut = Merging("wit:")
    trie = tries(cut, wit=(0, 10)).trie(())
    assert described(trie, cut) == ("wit:", [("", set("0123456789")), ("1", {"0", "\n"})])


def test_negative_values_share_their_sign():
    cut = Merging("wit:")
    trie = tries(cut, wit=(-2, 1)).trie(())
    assert described(trie, cut) == ("wit:", [("", {"-", "0", "1"}), ("-", {"1", "2"})])


def test_a_value_may_be_one_token_with_its_colon():
    cut = Merging("wit", ":0", ":1", ":4")
    first = tries(cut, wit=(0, 4)).trie(())
    assert described(first, cut) == ("wit", [("", {":0", ":1", ":4", ":"}), (":", {"2", "3"})])
    assert set(first.probabilities([(0.25,) * 4, EVEN])) == {0, 1, 2, 3, 4}


def test_a_value_may_be_one_token_with_what_follows_it():
    cut = Merging("wit:", "4,", ",fun:", "4\n")
    of_both = tries(cut, wit=(3, 4), fun=(3, 4))
    assert described(of_both.trie(()), cut) == ("wit:", [("", {"3", "4,"})])
    assert described(of_both.trie((3,)), cut) == ("wit:|3|,fun:", [("", {"3", "4\n"})])
    assert described(of_both.trie((4,)), cut)[0] == "wit:|4,|f|u|n|:"


def test_what_is_written_is_the_beginning_of_what_comes_next():
    cut = Merging("wit", ":4", ",fun:", "10")
    of_both = tries(cut, wit=(0, 10), fun=(0, 4))
    for value in range(11):
        before, after = of_both.trie(()).shared, of_both.trie((value,)).shared
        assert after[: len(before)] == before
        assert cut.text(after).replace("|", "") == f"wit:{value},fun:"


def test_the_longest_label_text_has_the_longest_values():
    assert tries(Merging("wit:", ",fun:"), wit=(-5, 5), fun=(0, 10)).longest == 6


def test_a_trie_is_made_once():
    of_wit = tries(Merging(), wit=(0, 4))
    assert of_wit.trie(()) is of_wit.trie(())
