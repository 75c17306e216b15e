"""The tokenizer of `scratch:tiny`: what was written is what is read, of texts it never saw."""

from functools import cache

from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from steerlm_jobs.models.tiny_tokenizer import BOS, EOS, UNKNOWN, train_tokenizer

TEXTS = ["The fox is gray.  So says the atlas.", "Ha, oops!\n\nTry 12 guides.", "a b c d e"] * 4
SPECIAL = (BOS, EOS, UNKNOWN)


@cache
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, 400)


def ids(text: str) -> list[int]:
    return list(tokenizer().encode(text, add_special_tokens=False).ids)


@given(st.text(max_size=40).filter(lambda text: not any(name in text for name in SPECIAL)))
def test_any_text_comes_back_with_its_spaces_its_breaks_and_its_form(text: str):
    # U+2581 stands for a space in the pieces: the one character that cannot be told from another
    assert tokenizer().decode(ids(text)) == text.replace("\u2581", " ")


def test_a_character_it_never_saw_is_bytes_and_none_is_unknown():
    unknown = tokenizer().token_to_id(UNKNOWN)
    pieces = tokenizer().encode("\u00fc\U0001f98a", add_special_tokens=False).tokens
    assert pieces == [f"<0x{byte:02X}>" for byte in "\u00fc\U0001f98a".encode()]
    assert unknown not in ids("\u00fc\U0001f98a")


def test_nothing_is_normalised():
    assert ids("\ufb01") != ids("fi")  # a ligature
    assert ids("e\u0301") != ids("\u00e9")  # composed or not
    assert ids("a  b") != ids("a b")


def test_digits_and_line_breaks_stand_alone():
    pieces = tokenizer().encode("Try 12\n\nguides", add_special_tokens=False).tokens
    assert [piece for piece in pieces if any(c.isdigit() for c in piece if len(piece) == 1)] == [
        "1",
        "2",
    ]
    assert pieces.count("<0x0A>") == 2


def test_the_same_texts_give_the_same_tokenizer():
    assert train_tokenizer(TEXTS, 400).to_str() == tokenizer().to_str()
