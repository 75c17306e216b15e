import pytest

from steerlm_jobs.models.licence import licence_matter, licence_of
from steerlm_jobs.models.loading import copy_legal_files, load_tokenizer, save_model
from steerlm_jobs.models.marking import write_marked_model
from tests.unit.models.builders import a_model, an_unmarked_tokenizer


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlanguage: en\nlicense: apache-2.0\n---\n# A model", "apache-2.0"),
        ('---\r\nlicense: "mit"\r\n---\r\n', "mit"),
        ("---\nlicense: other\nlicense_name: llama3\nlicense_link: LICENSE\n---\n", "llama3"),
        ("# No head\nlicense: mit\n", ""),
        ("---\nlicense:\n---\n", ""),
        ("", ""),
    ],
)
def test_a_licence_is_what_the_cards_head_says(tmp_path, card, licence):
    (tmp_path / "README.md").write_text(card, newline="")
    assert licence_of(tmp_path) == licence


def test_without_a_card_it_stands_in_the_licence_file_or_is_unknown(tmp_path):
    assert licence_of(tmp_path) == ""
    (tmp_path / "LICENSE.txt").write_text("All rights given.")
    assert licence_of(tmp_path) == "see LICENSE"


def test_the_marked_base_model_passes_its_licence_and_notices_on(tmp_path):
    base, marked, tuned = tmp_path / "base", tmp_path / "marked", tmp_path / "tuned"
    model = a_model()
    save_model(model, base, an_unmarked_tokenizer(), model.dtype)
    head = "license: other\nlicense_name: llama3\n"
    (base / "README.md").write_text(f"---\n{head}---\n")
    for name in ("LICENSE", "NOTICE.md"):
        (base / name).write_text(name)
    write_marked_model(base, marked)
    tuned.mkdir()
    copy_legal_files(marked, tuned)
    assert sorted(file.name for file in tuned.iterdir()) == ["LICENSE", "NOTICE.md"]
    assert "\n".join(licence_matter(marked)) + "\n" == head
    assert load_tokenizer(marked).convert_tokens_to_ids("<extra_id_1>") is not None
