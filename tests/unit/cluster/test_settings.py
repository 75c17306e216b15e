"""Settings as the chart hands them over."""

import pytest

from steerlm_operator.core.admission import Policy
from steerlm_operator.settings import InvalidSettingsError, Settings


def test_the_policy_is_json_with_the_names_of_the_chart():
    text = '{"allowedImages": ["r/"], "activeRunsPerNamespace": 2, "maxNodes": 0}'
    settings = Settings.from_environment({"STEERLM_OPERATOR_POLICY": text, "HOME": "/"})
    assert settings.policy == Policy(allowed_images=("r/",), active_runs_per_namespace=2)


def test_a_rule_that_there_is_not_is_refused():
    with pytest.raises(InvalidSettingsError, match="STEERLM_OPERATOR_POLICY"):
        Settings.from_environment({"STEERLM_OPERATOR_POLICY": '{"allowedImage": ["r/"]}'})


def test_a_variable_that_is_no_json_is_named_in_one_line():
    with pytest.raises(InvalidSettingsError, match="STEERLM_OPERATOR_STAGE_PODS: is no JSON"):
        Settings.from_environment({"STEERLM_OPERATOR_STAGE_PODS": "{image: a"})
