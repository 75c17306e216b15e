from pathlib import Path

import pytest

from steerlm_jobs.contract.errors import BadConfigError, BadInputError
from steerlm_jobs.data.digests import MEMORY, RootDigests
from steerlm_jobs.data.roots import MODEL_FILES, Root
from steerlm_jobs.store.files import Store, open_store


class Counting:
    """A store that counts how often it is opened for reading."""

    def __init__(self, store: Store) -> None:
        self._store, self.num_opened = store, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def open(self, path: str) -> object:
        self.num_opened += 1
        return self._store.open(path)


def a_folder(path: Path, **files: str) -> Path:
    for name, text in files.items():
        file = path / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


def digest(uri: str | Path, memory: Path) -> str:
    return RootDigests(open_store(str(memory))).of(Root.at(str(uri)))


def test_a_digest_is_of_content_whatever_the_files_place_and_name(tmp_path):
    one = a_folder(tmp_path / "one", a_jsonl="x", b_jsonl="y")
    memory = open_store("memory://roots")
    memory.write("folder/a.jsonl", b"x")
    memory.write("folder/b.jsonl", b"y")
    memory.write("other.jsonl", b"x")
    assert digest(one, tmp_path) == digest("memory://roots/folder", tmp_path)
    assert digest(one / "a.jsonl", tmp_path) == digest("memory://roots/other.jsonl", tmp_path)
    assert digest(one / "a.jsonl", tmp_path) != digest(one / "b.jsonl", tmp_path)


def test_hidden_files_do_not_count(tmp_path):
    plain = a_folder(tmp_path / "one", a_jsonl="x")
    hidden = a_folder(tmp_path / "two", a_jsonl="x", _cache="y", _git__a_jsonl="z")
    assert digest(plain, tmp_path) == digest(hidden, tmp_path)


def test_of_a_model_only_what_is_read_counts(tmp_path):
    folder = a_folder(tmp_path / "m", config_json="{}", pytorch__model_bin="pickled", LICENSE="MIT")
    assert [s.path for s in Root.at(str(folder), MODEL_FILES).files] == ["LICENSE", "config.json"]


def test_what_has_not_changed_is_not_read_again(tmp_path):
    folder = a_folder(tmp_path / "data", a_jsonl="x", b_jsonl="y")
    store = open_store(str(tmp_path / "run"))
    digests = RootDigests(store)
    first = digests.of(Root.at(str(folder)))
    digests.remember()
    root = Root.at(str(folder))
    counting = Counting(root.store)
    again = RootDigests(store).of(Root(root.uri, counting, root.files))  # type: ignore[arg-type]  # a counting stand-in
    assert (again, counting.num_opened) == (first, 0)
    a_folder(folder, b_jsonl="z")
    assert RootDigests(store).of(Root.at(str(folder))) != first


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'{"a": 3}'])
def test_a_damaged_memory_costs_time_only(tmp_path, damaged):
    folder = a_folder(tmp_path / "data", a_jsonl="x")
    first = digest(folder, tmp_path / "run")
    open_store(str(tmp_path / "run")).write(MEMORY, damaged)
    assert digest(folder, tmp_path / "run") == first


def test_digesting_alone_writes_nothing(tmp_path):
    digest(a_folder(tmp_path / "data", a_jsonl="x"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_local_roots_stay_in_place_and_others_are_copied(tmp_path):
    folder = a_folder(tmp_path / "data", a_jsonl="x")
    assert Root.at(str(folder)).local(tmp_path / "s") == folder
    assert Root.at(f"file://{folder}/a.jsonl").local(tmp_path / "s") == folder / "a.jsonl"
    open_store("memory://copied").write("deep/a.jsonl", b"x")
    copy = Root.at("memory://copied/deep/").local(tmp_path / "s")
    assert (copy / "a.jsonl").read_text() == "x"
    assert Root.at("memory://copied/deep/a.jsonl").local(tmp_path / "s").read_text() == "x"


@pytest.mark.parametrize("place", ["{}/nowhere", "{}/empty", "memory://nothing/there"])
def test_nothing_there_is_bad_input(tmp_path, place):
    (tmp_path / "empty").mkdir()
    uri = place.format(tmp_path)
    with pytest.raises(BadInputError, match=uri):
        Root.at(uri)


def test_an_unknown_kind_of_address_is_bad_config():
    with pytest.raises(BadConfigError, match="unknown scheme 'ftp'"):
        Root.at("ftp://host/data.jsonl")


def test_data_of_the_hub_are_refused_with_the_command_that_fetches_them():
    line = "hf download nvidia/HelpSteer2 --repo-type dataset --local-dir DIR, and give the folder"
    for uri in ("hf://nvidia/HelpSteer2", "hf://datasets/nvidia/HelpSteer2"):
        with pytest.raises(BadConfigError, match=line):
            Root.at(uri)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("*.jsonl", "; patterns are not looked up: give the folder, all data files in it are read"),
        ("train.jsonl", "; did you mean train.jsonl.gz?"),
        ("tarin.jsonl.gz", "; did you mean train.jsonl.gz?"),
        ("other", ""),
    ],
)
def test_a_mistyped_path_is_told_what_it_is_like(tmp_path, name, hint):
    (tmp_path / "train.jsonl.gz").write_text("")
    with pytest.raises(BadInputError) as caught:
        Root.at(str(tmp_path / name))
    assert str(caught.value) == f"{tmp_path / name}: no such file or folder{hint}"
