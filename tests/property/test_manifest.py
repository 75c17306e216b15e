"""Digests: the content decides, nothing else does."""

from hypothesis import given
from hypothesis import strategies as st

from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.manifest import AttemptInfo, ContentFile, Manifest, content_digest

names = st.text("abc/._0", min_size=1, max_size=12)
files = st.lists(
    st.builds(
        ContentFile,
        name=names,
        path=names,
        size=st.integers(0, 2**50),
        sha256=st.sampled_from(["a" * 43, "b" * 43]),
    ),
    unique_by=lambda f: f.name,
    min_size=1,
    max_size=8,
)


@given(files, st.randoms(use_true_random=False))
def test_order_and_place_do_not_matter(content, random):
    elsewhere = [f.model_copy(update={"path": f"other/{f.path}"}) for f in content]
    random.shuffle(elsewhere)
    assert content_digest(elsewhere) == content_digest(content)


@given(files, st.data())
def test_every_other_change_matters(content, data):
    index = data.draw(st.integers(0, len(content) - 1))
    file = content[index]
    changes = [
        {"name": f"{file.name}!"},
        {"size": file.size + 1},
        {"sha256": "c" * 43},
    ]
    changed = file.model_copy(update=data.draw(st.sampled_from(changes)))
    others = [*content[:index], *content[index + 1 :]]
    digests = {content_digest(content), content_digest(others), content_digest([*others, changed])}
    assert len(digests) == 3


@given(files, st.text(max_size=20))
def test_a_manifest_survives_json_and_the_attempt_is_outside_the_digest(content, writer):
    manifest = Manifest(
        kind=StageKind.SAMPLE,
        fingerprint="F",
        digest=content_digest(content),
        files=tuple(content),
        attempt=AttemptInfo(writer=writer, seconds=1.5),
    )
    again = Manifest.model_validate_json(manifest.model_dump_json(by_alias=True))
    assert again == manifest
    assert content_digest(again.files) == manifest.digest
