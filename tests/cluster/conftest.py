"""One cluster for all cluster tests; a namespace and an S3 prefix for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.build import (
    CannotBuildError,
    control_plane,
    helm_program,
    kubectl_program,
    s3_server,
)
from tests.cluster.cluster import QUICK, Cluster


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster with the operator in it; it ends with the last of these tests."""
    try:
        control_plane()
        s3_server()
        helm_program()
        kubectl_program()
    except CannotBuildError as error:
        pytest.skip(f"no cluster for the tests: {error}")
    with Cluster(tmp_path_factory.mktemp("cluster")) as found:
        found.make_store()
        found.start_operator(**QUICK)
        yield found


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own, with the Secret of the store."""
    name = f"t{abs(hash(request.node.name)) % 10**9}"
    cluster.make_namespace(name)
    return name


@pytest.fixture
def stand_in_folder(tmp_path: Path) -> Path:
    """Where the stand-in's artifacts of a test lie."""
    return tmp_path
