"""What every store must do; one suite for memory, a local folder and S3 servers.

A subclass gives the fixture `prefix`: an address below which nothing exists yet.
"""

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from steerlm_jobs.contract.config import Execution, StageConfig, StageInput
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.manifest import MANIFEST_NAME, InputRef
from steerlm_jobs.contract.recipes import AnnotateRecipe
from steerlm_jobs.store.artifacts import ArtifactReader, ArtifactWriter, Sealed, existing_seal
from steerlm_jobs.store.checkpoints import CheckpointStore
from steerlm_jobs.store.chunks import ChunkStore
from steerlm_jobs.store.clock import utc_now
from steerlm_jobs.store.collecting import delete_garbage, find_garbage
from steerlm_jobs.store.files import check_conditional_writes, open_store
from steerlm_jobs.store.garbage import Why
from steerlm_jobs.store.manifests import matching_seal, read_manifest
from steerlm_jobs.store.uses import read_uses, record_uses
from steerlm_jobs.store.verify import verify

INPUT = StageInput(
    stage="prepare", kind=StageKind.PREPARE, uri="memory://elsewhere", fingerprint="F", digest="D"
)

OTHER_BYTES = INPUT.model_copy(update={"digest": "E"})
"""The same stage's result, made again with other bytes."""


def a_config(
    prefix: str,
    *,
    attempt: int = 1,
    shard: int = 0,
    num_shards: int = 1,
    source: StageInput | None = None,
) -> StageConfig:
    return StageConfig(
        stage="annotate",
        recipe=AnnotateRecipe(),
        inputs=(source or INPUT,),
        execution=Execution(
            prefix=prefix,
            run_uid="0123456789ab",
            attempt=attempt,
            shard=shard,
            num_shards=num_shards,
        ),
    )


def a_sealed(prefix: str, scratch: Path, *, text: str = "{}", attempt: int = 1) -> Sealed:
    writer = ArtifactWriter(a_config(prefix, attempt=attempt), scratch)
    (writer.content / "deep").mkdir()
    (writer.content / "deep" / "a.json").write_text(text)
    (writer.content / "rows.jsonl").write_text('{"n":1}\n{"n":2}\n')
    (writer.telemetry / "log.txt").write_text("time")
    return writer.commit()


def as_input(prefix: str, digest: str) -> StageInput:
    config = a_config(prefix)
    uri = f"{prefix}/annotate/{config.fingerprint}"
    return StageInput(
        stage="annotate",
        kind=StageKind.ANNOTATE,
        uri=uri,
        fingerprint=config.fingerprint,
        digest=digest,
    )


def a_result(
    prefix: str, scratch: Path, source: StageInput | None = None, *, salt: str = ""
) -> StageInput:
    """Seal a result made from another one, and return it as an input."""
    config = a_config(prefix, source=source).model_copy(update={"salt": salt})
    writer = ArtifactWriter(config, scratch)
    (writer.content / "a.json").write_text("{}")
    return StageInput(
        stage="annotate",
        kind=StageKind.ANNOTATE,
        uri=writer.uri,
        fingerprint=config.fingerprint,
        digest=writer.commit().digest,
    )


def a_folder(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state.bin").write_text(text)
    return folder


class FilesSuite:
    """The `Store` port itself."""

    def test_what_was_written_is_read(self, prefix: str) -> None:
        store = open_store(prefix)
        store.write("a/b", b"one")
        store.write("a/b", b"two")
        with store.open("a/b") as file:
            assert (store.read("a/b"), file.read()) == (b"two", b"two")

    def test_a_missing_file_is_not_found(self, prefix: str, tmp_path: Path) -> None:
        store = open_store(prefix)
        for call in (
            lambda: store.read("nothing"),
            lambda: store.open("nothing").read(),
            lambda: store.get_file("nothing", tmp_path / "x"),
        ):
            with pytest.raises(FileNotFoundError):
                call()
        assert list(tmp_path.glob("x*")) == []

    def test_list_is_recursive_sorted_and_sees_the_newest(self, prefix: str) -> None:
        store = open_store(prefix)
        assert store.list() == ()
        for path in ("b", "a/2", "a/10/x", "ab"):
            store.write(path, path.encode())
        assert [(s.path, s.size) for s in store.list()] == [
            ("a/10/x", 6),
            ("a/2", 3),
            ("ab", 2),
            ("b", 1),
        ]
        assert [s.path for s in store.list("a/")] == ["a/10/x", "a/2"]
        assert [s.path for s in store.list("a")] == ["a/10/x", "a/2", "ab"]
        open_store(prefix).delete(["a/2", "never/there"])
        assert [s.path for s in store.list("a/")] == ["a/10/x"]

    def test_the_tag_changes_with_the_content(self, prefix: str) -> None:
        store = open_store(prefix)
        store.write("a", b"one")
        before = store.list()[0].tag
        store.write("a", b"two")
        assert store.list()[0].tag != before

    def test_files_go_in_and_out(self, prefix: str, tmp_path: Path) -> None:
        store = open_store(prefix)
        (tmp_path / "in").write_bytes(bytes(range(256)) * 100)
        store.put_file(tmp_path / "in", "deep/er/file")
        store.get_file("deep/er/file", tmp_path / "new" / "out")
        assert (tmp_path / "new" / "out").read_bytes() == (tmp_path / "in").read_bytes()

    def test_only_the_first_of_many_writers_wins(self, prefix: str) -> None:
        wins: list[int] = []

        def write(number: int) -> None:
            if open_store(prefix).write_once("once", str(number).encode()):
                wins.append(number)

        threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(wins) == 1
        assert open_store(prefix).read("once") == str(wins[0]).encode()
        assert [s.path for s in open_store(prefix).list()] == ["once"]

    def test_conditional_writes_are_honoured_and_leave_no_probe(self, prefix: str) -> None:
        store = open_store(prefix)
        check_conditional_writes(store)
        assert store.list() == ()


class ArtifactSuite:
    """Artifacts on a store."""

    def test_nothing_exists_before_its_manifest(self, prefix: str, tmp_path: Path) -> None:
        writer = ArtifactWriter(a_config(prefix), tmp_path)
        (writer.content / "a.json").write_text("{}")
        assert read_manifest(writer.uri) is None
        assert existing_seal(a_config(prefix)) is None

    def test_second_commit_is_refused_and_returns_the_first_digest(
        self, prefix: str, tmp_path: Path
    ) -> None:
        first = a_sealed(prefix, tmp_path / "1", text="first")
        second = a_sealed(prefix, tmp_path / "2", text="second", attempt=2)
        assert first.is_first
        assert second == Sealed(first.digest, is_first=False)
        assert existing_seal(a_config(prefix)) == first.digest
        assert verify(as_input(prefix, "").uri).digest == first.digest

    def test_the_same_attempt_again_leaves_the_sealed_content_alone(
        self, prefix: str, tmp_path: Path
    ) -> None:
        first = a_sealed(prefix, tmp_path / "1", text="first")
        again = a_sealed(prefix, tmp_path / "2", text="other")
        assert again == Sealed(first.digest, is_first=False)
        assert verify(as_input(prefix, "").uri).digest == first.digest

    def test_digest_depends_on_content_alone(self, prefix: str, tmp_path: Path) -> None:
        one = a_sealed(f"{prefix}/one", tmp_path / "1")
        two = a_sealed(f"{prefix}/two", tmp_path / "2", attempt=7)
        other = a_sealed(f"{prefix}/three", tmp_path / "3", text="other")
        assert one.digest == two.digest != other.digest

    def test_readers_get_files_folders_and_rows(self, prefix: str, tmp_path: Path) -> None:
        sealed = a_sealed(prefix, tmp_path / "w")
        reader = ArtifactReader.open(as_input(prefix, sealed.digest), tmp_path / "r")
        assert reader.names() == ("deep/a.json", "rows.jsonl")
        assert reader.file("deep/a.json").read_text() == "{}"
        assert (reader.folder() / "deep" / "a.json").read_text() == "{}"
        assert [p.name for p in reader.folder("deep").iterdir()] == ["a.json"]
        assert list(reader.rows("rows")) == [{"n": 1}, {"n": 2}]
        with pytest.raises(BadInputError, match=r"no file 'b\.json'"):
            reader.file("b.json")

    def test_overwritten_content_is_detected(self, prefix: str, tmp_path: Path) -> None:
        sealed = a_sealed(prefix, tmp_path / "w")
        source = as_input(prefix, sealed.digest)
        store = open_store(source.uri)
        path = next(s.path for s in store.list() if s.path.endswith("a.json"))
        store.write(path, b"[]")  # of the same size
        with pytest.raises(BadInputError, match=r"a\.json.*SHA-256 differs"):
            ArtifactReader.open(source, tmp_path / "r").file("deep/a.json")
        with pytest.raises(BadInputError, match=r"a\.json.*SHA-256 differs"):
            verify(source.uri)
        store.write(path, b"[1]")
        with pytest.raises(BadInputError, match="3 bytes, not 2"):
            ArtifactReader.open(source, tmp_path / "r2").file("deep/a.json")
        with pytest.raises(BadInputError, match="3 bytes, not 2"):
            existing_seal(a_config(prefix))

    def test_missing_content_is_detected(self, prefix: str, tmp_path: Path) -> None:
        sealed = a_sealed(prefix, tmp_path / "w")
        source = as_input(prefix, sealed.digest)
        store = open_store(source.uri)
        store.delete([next(s.path for s in store.list() if s.path.endswith("a.json"))])
        for read in (
            lambda: ArtifactReader.open(source, tmp_path / "r").file("deep/a.json"),
            lambda: verify(source.uri),
            lambda: existing_seal(a_config(prefix)),
        ):
            with pytest.raises(BadInputError, match=r"a\.json.*is missing"):
                read()

    def test_truncated_manifest_is_refused(self, prefix: str, tmp_path: Path) -> None:
        sealed = a_sealed(prefix, tmp_path / "w")
        source = as_input(prefix, sealed.digest)
        store = open_store(source.uri)
        store.write(MANIFEST_NAME, store.read(MANIFEST_NAME)[:-20])
        with pytest.raises(BadInputError, match="truncated"):
            read_manifest(source.uri)
        with pytest.raises(BadInputError, match="truncated"):
            a_sealed(prefix, tmp_path / "again", attempt=2)

    def test_foreign_manifest_is_refused(self, prefix: str, tmp_path: Path) -> None:
        sealed = a_sealed(prefix, tmp_path / "w")
        text = open_store(as_input(prefix, sealed.digest).uri).read(MANIFEST_NAME)
        for elsewhere in (
            f"{prefix}/annotate/other",
            f"{prefix}/sample/{a_config('').fingerprint}",
        ):
            open_store(elsewhere).write(MANIFEST_NAME, text)
            with pytest.raises(BadInputError, match="its manifest is that of annotate/"):
                read_manifest(elsewhere)

    @pytest.mark.parametrize(
        ("field", "value", "reason"),
        [
            ("digest", "x" * 43, "does not fit its list of files"),
            ("path", "../../secret", "leaves the folder"),
            ("path", "/etc/passwd", "leaves the folder"),
        ],
    )
    def test_manifest_that_does_not_hold_together_is_refused(
        self, prefix: str, tmp_path: Path, field: str, value: str, reason: str
    ) -> None:
        sealed = a_sealed(prefix, tmp_path / "w")
        source = as_input(prefix, sealed.digest)
        manifest = json.loads(open_store(source.uri).read(MANIFEST_NAME))
        (manifest if field == "digest" else manifest["files"][0])[field] = value
        open_store(source.uri).write(MANIFEST_NAME, json.dumps(manifest).encode())
        with pytest.raises(BadInputError, match=reason):
            ArtifactReader.open(source, tmp_path)

    def test_another_digest_than_the_config_names_is_refused(
        self, prefix: str, tmp_path: Path
    ) -> None:
        a_sealed(prefix, tmp_path / "w")
        with pytest.raises(BadInputError, match="is not D"):
            ArtifactReader.open(as_input(prefix, "D"), tmp_path)

    def test_an_artifact_that_is_not_there_is_bad_input(self, prefix: str, tmp_path: Path) -> None:
        with pytest.raises(BadInputError, match="no artifact of stage annotate"):
            ArtifactReader.open(as_input(prefix, "D"), tmp_path)
        with pytest.raises(BadInputError, match="no artifact here"):
            verify(as_input(prefix, "").uri)

    def test_a_result_of_other_inputs_is_no_hit(self, prefix: str, tmp_path: Path) -> None:
        sealed = a_sealed(prefix, tmp_path / "w")
        uri = as_input(prefix, "").uri
        assert matching_seal(uri, {"prepare": InputRef(fingerprint="F", digest="D")}) == (
            sealed.digest
        )
        assert matching_seal(uri, {"prepare": InputRef(fingerprint="F", digest="E")}) is None
        assert matching_seal(uri, {}) is None
        with pytest.raises(BadInputError, match="sealed already, from other results"):
            existing_seal(a_config(prefix, source=OTHER_BYTES))


class ChunkSuite:
    """Chunks on a store."""

    def test_shards_share_the_chunks_without_gap_or_overlap(self, prefix: str) -> None:
        shards = [ChunkStore(a_config(prefix, shard=s, num_shards=2)) for s in range(2)]
        assert [s.missing(10, 4) for s in shards] == [(range(4), range(8, 10)), (range(4, 8),)]

    def test_a_killed_stage_continues_with_the_chunks_that_are_missing(self, prefix: str) -> None:
        chunks = ChunkStore(a_config(prefix))
        chunks.write(range(4, 8), ({"n": n} for n in range(4, 8)))
        assert ChunkStore(a_config(prefix, attempt=2)).missing(10, 4) == (range(4), range(8, 10))
        assert not chunks.is_complete(10, 4)

    def test_the_first_chunk_stands(self, prefix: str) -> None:
        chunks = ChunkStore(a_config(prefix))
        chunks.write(range(1), [{"n": "first"}])
        chunks.write(range(1), [{"n": "second"}])
        assert list(chunks.rows()) == [{"n": "first"}]

    def test_rows_come_in_order_and_sealed_chunks_are_read_like_files(
        self, prefix: str, tmp_path: Path
    ) -> None:
        config, chunks = a_config(prefix), ChunkStore(a_config(prefix))
        for rows in reversed(chunks.missing(10, 4)):
            chunks.write(rows, ({"n": n} for n in rows))
        assert chunks.is_complete(10, 4)
        assert [row["n"] for row in chunks.rows()] == list(range(10))
        sealed = ArtifactWriter(config, tmp_path / "w").commit(extra=chunks.content_files())
        reader = ArtifactReader.open(as_input(prefix, sealed.digest), tmp_path / "r")
        assert reader.names() == tuple(f"chunks/{n:09d}.jsonl.zst" for n in (0, 4, 8))
        assert [row["n"] for row in reader.rows("chunks/")] == list(range(10))

    def test_chunks_of_other_inputs_are_not_taken(self, prefix: str) -> None:
        ChunkStore(a_config(prefix)).write(range(4), [{"n": "old"}])
        chunks = ChunkStore(a_config(prefix, source=OTHER_BYTES))
        assert chunks.missing(4, 4) == (range(4),)
        chunks.write(range(4), [{"n": "new"}])
        assert list(chunks.rows()) == [{"n": "new"}]
        assert list(ChunkStore(a_config(prefix)).rows()) == [{"n": "old"}]


class CheckpointSuite:
    """Checkpoints on a store."""

    def test_the_highest_complete_step_of_any_writer_is_taken(
        self, prefix: str, tmp_path: Path
    ) -> None:
        first = CheckpointStore(a_config(prefix), tmp_path / "1")
        second = CheckpointStore(a_config(prefix, attempt=2), tmp_path / "2")
        assert second.newest() is None
        first.save(9, a_folder(tmp_path / "a", "nine"))
        first.save(10, a_folder(tmp_path / "b", "ten"))
        second.save(2, a_folder(tmp_path / "c", "two"))
        found = second.newest()
        assert found is not None
        assert (found[0], (found[1] / "state.bin").read_text()) == (10, "ten")

    def test_unfinished_and_damaged_checkpoints_are_passed_over(
        self, prefix: str, tmp_path: Path
    ) -> None:
        config = a_config(prefix)
        checkpoints = CheckpointStore(config, tmp_path / "1")
        for step in (1, 2, 3):
            checkpoints.save(step, a_folder(tmp_path / str(step), f"step {step}"))
        store = open_store(as_input(prefix, "").uri)
        folder = f"checkpoints/{config.inputs_key}"
        store.write(f"{folder}/01234567-1/step-3/state.bin", b"step 9")
        store.write(f"{folder}/01234567-1/step-2/manifest.json", b'{"version": 1')
        store.write(f"{folder}/01234567-9/step-7/state.bin", b"no manifest")
        found = CheckpointStore(config, tmp_path / "2").newest()
        assert found is not None
        assert found[0] == 1

    def test_another_stages_checkpoint_is_refused(self, prefix: str, tmp_path: Path) -> None:
        CheckpointStore(a_config(f"{prefix}/a"), tmp_path).save(1, a_folder(tmp_path / "x", "1"))
        stranger = a_config(f"{prefix}/b").model_copy(update={"salt": "salted"})
        source = open_store(f"{prefix}/a/annotate/{a_config('').fingerprint}")
        target = open_store(f"{prefix}/b/annotate/{stranger.fingerprint}")
        for stat in source.list():
            target.write(stat.path, source.read(stat.path))
        assert CheckpointStore(stranger, tmp_path).newest() is None

    def test_a_checkpoint_of_other_inputs_is_neither_taken_nor_pruned(
        self, prefix: str, tmp_path: Path
    ) -> None:
        old = CheckpointStore(a_config(prefix), tmp_path / "old")
        old.save(500, a_folder(tmp_path / "x", "old"))
        new = CheckpointStore(a_config(prefix, source=OTHER_BYTES), tmp_path / "new")
        assert new.newest() is None
        new.save(1, a_folder(tmp_path / "y", "new"))
        new.prune(keep=1)
        found = (new.newest(), old.newest())
        assert [None if f is None else f[0] for f in found] == [1, 500]

    def test_pruning_keeps_the_highest_steps(self, prefix: str, tmp_path: Path) -> None:
        checkpoints = CheckpointStore(a_config(prefix), tmp_path)
        for step in (1, 20, 3):
            checkpoints.save(step, a_folder(tmp_path / "x", str(step)))
        checkpoints.prune(keep=2)
        kept = {s.path.split("/")[3] for s in open_store(as_input(prefix, "").uri).list()}
        assert kept == {"step-3", "step-20"}

    def test_whoever_seals_deletes_the_checkpoints_of_all(
        self, prefix: str, tmp_path: Path
    ) -> None:
        for attempt in (1, 2):
            checkpoints = CheckpointStore(a_config(prefix, attempt=attempt), tmp_path)
            checkpoints.save(attempt, a_folder(tmp_path / "x", "state"))
        a_sealed(prefix, tmp_path, attempt=2)
        assert open_store(as_input(prefix, "").uri).list("checkpoints/") == ()


class GarbageSuite:
    """gc on a store."""

    def test_a_listing_says_when_a_file_was_written(self, prefix: str) -> None:
        open_store(prefix).write("a", b"one")
        (stat,) = open_store(prefix).list()
        assert abs(utc_now() - stat.modified_at) < timedelta(minutes=5)

    def test_young_results_stay(self, prefix: str, tmp_path: Path) -> None:
        a_sealed(prefix, tmp_path)
        assert find_garbage(prefix, timedelta(days=30), utc_now()) == ()

    def test_old_results_go_but_for_what_is_marked_and_what_that_was_made_from(
        self, prefix: str, tmp_path: Path
    ) -> None:
        first = a_result(prefix, tmp_path / "1")
        second = a_result(prefix, tmp_path / "2", first)
        marked = a_result(prefix, tmp_path / "3", first, salt="marked")
        open_store(marked.uri).write("keep", b"")
        given_up = a_config(prefix).model_copy(update={"salt": "given up"})
        CheckpointStore(given_up, tmp_path / "4").save(1, a_folder(tmp_path / "x", "state"))
        open_store(prefix).write("annotate/notes.txt", b"somebody's own")
        later = utc_now() + timedelta(days=31)
        found = find_garbage(prefix, timedelta(days=30), later)
        assert {d.folder.fingerprint: d.why for d in found} == {
            second.fingerprint: Why.NOT_REACHED,
            given_up.fingerprint: Why.UNFINISHED,
        }
        delete_garbage(prefix, found)
        assert read_manifest(second.uri) is None
        left = {stat.path.split("/")[1] for stat in open_store(prefix).list()}
        assert left == {"notes.txt", first.fingerprint, marked.fingerprint}
        assert verify(first.uri).digest == first.digest
        assert find_garbage(prefix, timedelta(days=30), later) == ()

    def test_a_run_keeps_what_it_says_that_it_reads(self, prefix: str, tmp_path: Path) -> None:
        read = a_result(prefix, tmp_path)
        running = a_config(prefix, source=read)
        record_uses(running, running.fingerprint, [read.fingerprint])
        store = open_store(f"{prefix}/annotate/{running.fingerprint}")
        (stat,) = store.list()
        assert read_uses(store, stat.path) == (read.fingerprint,)
        store.write(stat.path, b"{")
        with pytest.raises(BadInputError, match="not a list of used results"):
            find_garbage(prefix, timedelta(days=30), utc_now())


class StoreSuite(FilesSuite, ArtifactSuite, ChunkSuite, CheckpointSuite, GarbageSuite):
    """All of it."""
