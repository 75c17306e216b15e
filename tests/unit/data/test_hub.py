"""The hub is never reached in tests: HF_HUB_OFFLINE is set for all of them."""

import pytest

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
