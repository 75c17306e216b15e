from steerlm_operator.cluster.cache import RunKey
from steerlm_operator.cluster.reading import Reader
from steerlm_operator.core.observed import AttemptState
from tests.unit.cluster.objects import Object, a_job, a_pod, a_run

KEY = RunKey("ml", "r")


def newer(found: Object) -> Object:
    metadata = found["metadata"]
    return {**found, "metadata": {**metadata, "resourceVersion": f"{metadata['resourceVersion']}0"}}


def test_an_attempt_is_read_again_only_if_its_job_or_a_pod_has_changed():
    reader, job = Reader(), a_job()
    pod = a_pod(job)
    first = reader.attempts(KEY, [job], [pod], {}, {})
    again = reader.attempts(KEY, [job], [pod], {}, {})
    assert again[0] is first[0]
    ended = newer(a_pod(job, code=1))
    failed = newer(a_job(conditions=("Failed",)))
    (attempt,) = reader.attempts(KEY, [failed], [ended], {}, {})
    assert attempt.state is AttemptState.ENDED


def test_an_attempt_whose_job_is_gone_is_not_remembered():
    reader, job = Reader(), a_job()
    reader.attempts(KEY, [job], [], {}, {})
    assert reader.attempts(KEY, [], [], {}, {}) == ()


def test_a_run_is_read_once_a_version():
    reader, run = Reader(), a_run()
    seen = reader.run(KEY, run)
    assert reader.run(KEY, run) is seen
    assert reader.run(KEY, a_run(version=2)).resource_version == "2"
    reader.forget(KEY)
    assert reader.run(KEY, run).resource_version == "1"
