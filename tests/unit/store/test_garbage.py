"""What gc keeps and in which order it deletes: decisions over values."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steerlm_jobs.contract.errors import BadConfigError, BadInputError
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.manifest import (
    MANIFEST_NAME,
    AttemptInfo,
    ContentFile,
    InputRef,
    Manifest,
)
from steerlm_jobs.programs.collect_garbage import table
from steerlm_jobs.store.collecting import age
from steerlm_jobs.store.files import FileStat
from steerlm_jobs.store.garbage import KEEP, Folder, Reads, Why, deletion_order, doomed

LIMIT = datetime(2026, 11, 5, tzinfo=UTC)
OLD, YOUNG = LIMIT - timedelta(days=10), LIMIT + timedelta(days=1)
MODEL = "attempts/w-1/content/model.bin"


class World:
    """Folders of a prefix, with what their manifests and uses say."""

    def __init__(self) -> None:
        self.folders: dict[str, Folder] = {}
        self.inputs: dict[str, tuple[str, ...]] = {}
        self.uses: dict[tuple[str, str], tuple[str, ...]] = {}

    def add(
        self,
        name: str,
        *inputs: str,
        kind: StageKind = StageKind.TRAIN_ACSFT,
        at: datetime = OLD,
        more: Iterable[tuple[str, datetime]] = (),
        is_sealed: bool = True,
    ) -> None:
        files = [FileStat(MODEL, 100, "", at)]
        if is_sealed:
            files.append(FileStat(MANIFEST_NAME, 1, "", at))
        files += [FileStat(path, 10, "", when) for path, when in more]
        self.folders[name] = Folder(kind, name, tuple(files))
        self.inputs[name] = inputs

    def manifest(self, folder: Folder) -> Manifest:
        name = folder.fingerprint
        if name.startswith("damaged"):
            raise BadInputError(name)
        return Manifest(
            kind=folder.kind,
            fingerprint=name,
            digest="D",
            inputs={n: InputRef(fingerprint=n, digest="D") for n in self.inputs[name]},
            files=(ContentFile(name="model.bin", path=MODEL, size=100, sha256="S"),),
            attempt=AttemptInfo(writer="w-1"),
        )

    def doomed(self):
        reads = Reads(self.manifest, lambda f, path: self.uses[f.fingerprint, path])
        return doomed(tuple(self.folders.values()), LIMIT, reads)

    def going(self) -> dict[str, tuple[list[str], Why]]:
        return {d.folder.fingerprint: ([f.path for f in d.files], d.why) for d in self.doomed()}


WHOLE = ([MANIFEST_NAME, MODEL], Why.NOT_REACHED)


def test_what_a_young_result_was_made_from_stays_however_old():
    world = World()
    world.add("data", kind=StageKind.PREPARE)
    world.add("model", "data", at=YOUNG)
    world.add("other-data", kind=StageKind.PREPARE)
    world.add("other-model", "other-data")
    assert world.going() == {"other-model": WHOLE, "other-data": WHOLE}


def test_what_was_written_at_the_limit_itself_is_young():
    world = World()
    world.add("model", at=LIMIT)
    world.add("second-before", at=LIMIT - timedelta(seconds=1))
    assert set(world.going()) == {"second-before"}


def test_a_mark_keeps_an_old_model_and_what_it_reaches():
    world = World()
    world.add("data", kind=StageKind.PREPARE)
    world.add("model", "data", more=[(KEEP, OLD)])
    assert world.going() == {}


def test_an_old_unfinished_folder_goes_and_a_young_one_stays():
    world = World()
    world.add("given-up", is_sealed=False)
    world.add("running", is_sealed=False, more=[("checkpoints/k/w/step-9/state", YOUNG)])
    assert world.going() == {"given-up": ([MODEL], Why.UNFINISHED)}


def test_a_running_attempt_keeps_the_old_results_that_it_reads():
    world = World()
    world.add("data", kind=StageKind.PREPARE)
    world.add("labels", "data", kind=StageKind.ANNOTATE)
    running = [("uses/u.json", OLD), ("checkpoints/k/w/step-9/state", YOUNG)]
    world.add("running", is_sealed=False, more=running)
    world.uses["running", "uses/u.json"] = ("labels", "not-there-yet")
    assert world.going() == {}


def test_prepare_keeps_what_a_young_run_found_and_not_what_an_old_one_did():
    world = World()
    world.add("data", kind=StageKind.PREPARE, more=[("uses/a.json", OLD), ("uses/b.json", YOUNG)])
    world.add("old-model", "data")
    world.add("cached-model", "data")
    world.uses |= {("data", "uses/a.json"): ("old-model",)}
    world.uses |= {("data", "uses/b.json"): ("cached-model",)}
    assert world.going() == {"old-model": WHOLE, "data": (["uses/a.json"], Why.LEFTOVER)}


def test_old_leftovers_of_a_kept_result_go_and_young_ones_stay():
    world = World()
    left = [("attempts/w-2/content/model.bin", OLD), ("chunks/other/000000000.jsonl.zst", OLD)]
    world.add("model", more=[*left, ("attempts/w-3/content/model.bin", YOUNG), (KEEP, OLD)])
    assert world.going() == {"model": ([path for path, _ in left], Why.LEFTOVER)}


def test_a_damaged_manifest_stops_all_only_where_it_matters():
    world = World()
    world.add("damaged-old")
    assert set(world.going()) == {"damaged-old"}
    world.add("damaged-young", at=YOUNG)
    with pytest.raises(BadInputError, match="damaged-young"):
        world.doomed()


def test_manifests_go_before_files_and_results_before_their_inputs():
    world = World()
    world.add("data", kind=StageKind.PREPARE)
    world.add("report", "model", kind=StageKind.EVALUATE)
    world.add("model", "data")
    order = [(folder.fingerprint, paths) for folder, paths in deletion_order(world.doomed())]
    assert order == [
        *((name, (MANIFEST_NAME,)) for name in ("report", "model", "data")),
        *((name, (MODEL,)) for name in ("report", "model", "data")),
    ]


names = st.sampled_from("abcdefgh")


@given(
    st.dictionaries(
        names,
        st.tuples(st.lists(names, max_size=3), st.booleans(), st.booleans(), st.booleans()),
    )
)
def test_no_kept_result_ever_lacks_something_it_was_made_from(given_folders):
    world = World()
    for name, (inputs, is_young, is_marked, is_sealed) in given_folders.items():
        more = [(KEEP, OLD)] if is_marked else []
        world.add(name, *inputs, at=YOUNG if is_young else OLD, more=more, is_sealed=is_sealed)
    gone = {d.folder.fingerprint for d in world.doomed() if d.why is not Why.LEFTOVER}
    for name, (inputs, is_young, is_marked, is_sealed) in given_folders.items():
        if is_young or is_marked:
            assert name not in gone
        if name not in gone and is_sealed:
            assert not gone & set(inputs)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("30d", timedelta(days=30)),
        (" 2w ", timedelta(weeks=2)),
        ("0d", timedelta()),
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
    ],
)
def test_an_age_is_a_number_and_a_unit(text, found):
    assert age(text) == found


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5d", "30 days", "30D", "9999999d"])
def test_what_is_no_age_is_refused(text):
    with pytest.raises(BadConfigError, match="is no age; write a number"):
        age(text)


def test_the_table_names_kind_age_size_and_reason():
    world = World()
    world.add("model-with-a-long-name", at=OLD)
    assert table(world.doomed(), LIMIT) == [
        "KIND         FINGERPRINT   AGE   SIZE   WHY",
        "train-acsft  model-with-a  10 d  101 B  no kept result was made from it",
    ]
