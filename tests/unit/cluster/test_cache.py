from steerlm_operator.cluster.api import Listed, Resource
from steerlm_operator.cluster.cache import Cache, RunKey
from tests.unit.cluster.objects import a_job, a_run

KEY = RunKey("ml", "r")


def test_an_older_version_never_replaces_a_newer_one():
    cache = Cache()
    cache.observe(Resource.RUNS, a_run(7))
    cache.observe(Resource.RUNS, a_run(6))
    assert cache.run(KEY) == a_run(7)


def test_a_job_leads_to_its_run():
    cache = Cache()
    cache.observe(Resource.RUNS, a_run())
    assert cache.observe(Resource.JOBS, a_job()) == KEY
    assert cache.owned(Resource.JOBS, "run-uid") == (a_job(),)


def test_what_vanished_unseen_goes_with_the_next_list():
    cache = Cache()
    cache.observe(Resource.RUNS, a_run())
    cache.observe(Resource.JOBS, a_job())
    assert cache.replace_all(Resource.JOBS, Listed([], 5)) == {KEY}
    assert cache.owned(Resource.JOBS, "run-uid") == ()


def test_what_was_made_after_the_list_was_taken_stays():
    cache = Cache()
    cache.observe(Resource.RUNS, a_run())
    cache.observe(Resource.JOBS, a_job(version=9))
    cache.replace_all(Resource.JOBS, Listed([], 5))
    assert cache.owned(Resource.JOBS, "run-uid") == (a_job(version=9),)


def test_a_new_run_of_an_old_name_is_another_one():
    cache = Cache()
    cache.observe(Resource.RUNS, a_run(1, uid="old"))
    cache.observe(Resource.RUNS, a_run(2, uid="new"))
    cache.observe(Resource.RUNS, a_run(3, uid="old"), is_gone=True)
    assert cache.run(KEY) == a_run(2, uid="new")
