"""What only a local folder has: durable atomic writes, hard links, full disks."""

import errno
import os
from pathlib import Path

import pytest

from steerlm_jobs.contract.errors import BadConfigError, StoreUnavailableError
from steerlm_jobs.store.artifacts import ArtifactReader, ArtifactWriter
from steerlm_jobs.store.files import is_local, local_folder, open_store
from steerlm_jobs.store.local import LocalStore
from tests.unit.store.suite import a_config, a_sealed, as_input


def _failing(code: int):
    def fail(*_args: object, **_kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_unknown_scheme_is_refused_in_one_line():
    with pytest.raises(BadConfigError, match="ftp://host/x: unknown scheme 'ftp'"):
        open_store("ftp://host/x")


def test_addresses_of_local_folders():
    assert local_folder("file:///a%20b/c") == Path("/a b/c")
    assert local_folder("a/b") == Path("a/b")
    assert [is_local(u) for u in ("file:///a", "a/b", "s3://a/b")] == [True, True, False]


def test_content_is_written_and_read_in_place(tmp_path: Path):
    sealed = a_sealed(str(tmp_path), tmp_path / "scratch")
    reader = ArtifactReader.open(as_input(str(tmp_path), sealed.digest), tmp_path / "r")
    content = tmp_path / "annotate" / a_config("").fingerprint / "attempts/01234567-1/content"
    assert (reader.folder(), reader.file("rows.jsonl")) == (content, content / "rows.jsonl")
    assert not (tmp_path / "r").exists()


def test_a_folder_with_a_file_too_many_is_not_handed_out(tmp_path: Path):
    sealed = a_sealed(str(tmp_path), tmp_path / "scratch")
    reader = ArtifactReader.open(as_input(str(tmp_path), sealed.digest), tmp_path / "r")
    (reader.file("rows.jsonl").parent / "adapter_config.json").write_text("{}")
    assert sorted(p.name for p in reader.folder().iterdir()) == ["deep", "rows.jsonl"]


def test_shards_of_an_attempt_do_not_share_a_folder(tmp_path: Path):
    one, two = (
        ArtifactWriter(a_config(str(tmp_path), shard=s, num_shards=2), tmp_path) for s in range(2)
    )
    assert one.content != two.content


def test_left_overs_of_a_killed_attempt_are_not_sealed(tmp_path: Path):
    (ArtifactWriter(a_config(str(tmp_path)), tmp_path).content / "half").write_text("written")
    again = ArtifactWriter(a_config(str(tmp_path)), tmp_path)
    assert list(again.content.iterdir()) == []


def test_unfinished_files_are_not_listed(tmp_path: Path):
    (tmp_path / ".part-0123").write_text("killed here")
    assert LocalStore(str(tmp_path)).list() == ()


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_without_hard_links_the_first_writer_still_wins(tmp_path: Path, monkeypatch, code: int):
    monkeypatch.setattr(Path, "hardlink_to", _failing(code))
    store = LocalStore(str(tmp_path))
    assert [store.write_once("a", b"one"), store.write_once("a", b"two")] == [True, False]
    assert (store.read("a"), len(store.list())) == (b"one", 1)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_unavailable_and_leaves_nothing(tmp_path: Path, monkeypatch, code: int):
    store = LocalStore(str(tmp_path))
    monkeypatch.setattr(os, "fsync", _failing(code))
    for write in (store.write, store.write_once):
        with pytest.raises(StoreUnavailableError, match="disk full"):
            write("a", b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_permission_is_a_config_error(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Path, "open", _failing(errno.EACCES))
    with pytest.raises(BadConfigError, match="check the permissions"):
        LocalStore(str(tmp_path)).write("a", b"x")


def test_a_file_where_a_folder_should_be_is_a_config_error(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadConfigError, match="check the address"):
        LocalStore(str(tmp_path / "file")).write("a/b", b"x")


def test_deleting_the_last_file_removes_empty_folders(tmp_path: Path):
    store = LocalStore(str(tmp_path))
    store.write("a/b/c", b"x")
    store.write("a/d", b"x")
    store.delete(["a/b/c"])
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["d"]
