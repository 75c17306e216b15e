"""The hub is never reached in tests: HF_HUB_OFFLINE is set for all of them."""

import httpx2
import pytest
from huggingface_hub import HfApi

from steerlm_jobs.contract.errors import StoreUnavailableError
from steerlm_jobs.data.hub import hub_commit, hub_folder

COMMIT = "0123456789abcdef" * 2 + "01234567"


def test_a_full_commit_stands_for_itself():
    assert hub_commit(f"hf://owner/name@{COMMIT}") == COMMIT


@pytest.mark.parametrize("uri", ["hf://nobody/nothing", "hf://nobody/nothing@main"])
def test_a_hub_that_cannot_be_reached_may_be_tried_again(uri):
    for call in (lambda: hub_commit(uri), lambda: hub_folder(uri, COMMIT)):
        with pytest.raises(StoreUnavailableError, match=f"^{uri}: the hub cannot be reached"):
            call()


def test_a_machine_without_network_is_told_the_same(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise httpx2.ConnectError("[Errno -2] Name or service not known")

    monkeypatch.setattr(HfApi, "model_info", fail)
    with pytest.raises(StoreUnavailableError, match=r"^hf://nobody/nothing: the hub cannot be"):
        hub_commit("hf://nobody/nothing")
