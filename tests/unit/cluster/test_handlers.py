from steerlm_operator.cluster.client import PAGE
from steerlm_operator.handlers import settings
from tests.unit.cluster.objects import a_run


def test_kopf_keeps_and_compares_nothing_of_an_object():
    storage = settings().persistence.diffbase_storage
    assert storage.build(body=a_run()) == {}
    assert storage.fetch(body=a_run()) is None


def test_kopf_lists_page_by_page():
    assert settings().watching.chunk_size == PAGE
