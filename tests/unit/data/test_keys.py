"""Sets of short keys on disk."""

from steerlm_jobs.data.keys import KeySet, short_key

EXTREMES = (0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)


def test_a_key_is_new_once():
    with KeySet() as keys:
        assert [keys.add(key) for key in (*EXTREMES, *EXTREMES)] == [True] * 5 + [False] * 5
        assert len(keys) == 5
        assert all(key in keys for key in EXTREMES)
        assert short_key(["a"]) not in keys


def test_its_file_has_no_name_that_could_stay_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with KeySet() as keys:
        keys.add(1)
        assert not list(tmp_path.iterdir())
