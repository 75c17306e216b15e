"""The store suite against two S3 servers, and what only S3 has: credentials, buckets, outages."""

import http.server
import itertools
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs
from moto.server import ThreadedMotoServer

from steerlm_jobs.contract.errors import BadConfigError, StoreUnavailableError
from steerlm_jobs.store.files import check_conditional_writes, open_store
from steerlm_jobs.store.s3 import S3Store
from tests.unit.store.suite import StoreSuite

pytestmark = pytest.mark.slow
_numbers = itertools.count()
SECRET = "not-to-be-seen-in-any-message"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_DEFAULT_REGION": "us-east-1",
}
VERSITYGW = "v1.8.0"
INSTALL_VERSITYGW = f"github.com/versity/versitygw/cmd/versitygw@{VERSITYGW}"


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def versitygw_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = versitygw()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "ROOT_ACCESS_KEY": "testing", "ROOT_SECRET_KEY": SECRET}
    command = [program, "--port", f"127.0.0.1:{port}", "posix", tmp_path_factory.mktemp("s3")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as server:
        assert answers(port)
        yield f"http://127.0.0.1:{port}"
        server.terminate()


def versitygw() -> str:
    """Return the server's path: from PATH, the user's cache, or built into the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steerlm" / "bin"
    program = shutil.which("versitygw") or shutil.which(cache / f"versitygw-{VERSITYGW}")
    if program is not None:
        return program
    go = shutil.which("go")
    if go is None:
        pytest.skip("versitygw is not on PATH, and there is no go to build it with")
    done = subprocess.run(
        [go, "install", INSTALL_VERSITYGW],
        env={**os.environ, "GOBIN": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"versitygw cannot be built: {done.stderr.strip().splitlines()[-1]}")
    built = (cache / "versitygw").rename(cache / f"versitygw-{VERSITYGW}")
    return str(built)


def answers(port: int, *, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False


def use(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def new_bucket() -> str:
    bucket = f"bucket-{next(_numbers)}"
    files = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    files.call_s3("create_bucket", Bucket=bucket)
    return bucket


class TestMoto(StoreSuite):
    @pytest.fixture
    def prefix(self, moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
        use(moto_endpoint, monkeypatch)
        return f"s3://{new_bucket()}/runs/one"


class TestVersitygw(StoreSuite):
    @pytest.fixture
    def prefix(self, versitygw_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
        use(versitygw_endpoint, monkeypatch)
        return f"s3://{new_bucket()}/runs/one"


@pytest.fixture
def store(moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    use(moto_endpoint, monkeypatch)
    return S3Store(f"s3://{new_bucket()}/runs")


def test_a_whole_bucket_may_be_the_prefix(store: S3Store):
    whole = open_store(f"s3://{store.bucket}")
    whole.write("a/b", b"x")
    assert [s.path for s in whole.list("a")] == ["a/b"]


def test_files_larger_than_a_part_survive(store: S3Store, tmp_path: Path):
    data = os.urandom(1 << 20) * 40
    (tmp_path / "large").write_bytes(data)
    store.put_file(tmp_path / "large", "large")
    store.get_file("large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    with store.open("large") as file:
        assert file.read(3) == data[:3]


def test_more_files_than_one_delete_takes_are_deleted(store: S3Store, monkeypatch):
    monkeypatch.setattr("steerlm_jobs.store.s3._DELETE_AT_ONCE", 3)
    for number in range(8):
        store.write(str(number), b"x")
    store.delete(map(str, range(8)))
    assert store.list() == ()


def test_a_bucket_that_is_not_there_is_a_config_error(store: S3Store):
    missing = S3Store("s3://no-such-bucket/x")
    for call in (
        lambda: missing.write("a", b"x"),
        lambda: missing.write_once("a", b"x"),
        missing.list,
        lambda: missing.read("a"),
    ):
        with pytest.raises(BadConfigError, match="no bucket 'no-such-bucket'"):
            call()


def test_wrong_credentials_are_a_config_error_without_the_secret(
    versitygw_endpoint: str, monkeypatch
):
    use(versitygw_endpoint, monkeypatch)
    bucket = new_bucket()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{SECRET}-wrong")
    monkeypatch.setattr("steerlm_jobs.store.s3._connection", fresh_connection)
    store = S3Store(f"s3://{bucket}/x")
    for call in (lambda: store.read("a"), lambda: store.write("a", b""), store.list):
        with pytest.raises(BadConfigError, match="access denied") as raised:
            call()
        assert SECRET not in str(raised.value)


def test_no_credentials_at_all_are_a_config_error(moto_endpoint: str, monkeypatch, tmp_path: Path):
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_endpoint)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setattr("steerlm_jobs.store.s3._connection", fresh_connection)
    with pytest.raises(BadConfigError, match="no S3 credentials"):
        S3Store("s3://some-bucket/x").read("a")


def test_a_server_that_does_not_answer_is_unavailable(monkeypatch, tmp_path: Path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        use(f"http://127.0.0.1:{free.getsockname()[1]}", monkeypatch)
    monkeypatch.setattr("steerlm_jobs.store.s3._connection", fresh_connection)
    store = S3Store("s3://some-bucket/x")
    (tmp_path / "file").write_text("x")
    for call in (
        lambda: store.read("a"),
        lambda: store.write_once("a", b""),
        lambda: store.put_file(tmp_path / "file", "a"),
        store.list,
    ):
        with pytest.raises(StoreUnavailableError, match="run again"):
            call()


class _Overloaded(http.server.BaseHTTPRequestHandler):
    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_HEAD = answer  # noqa: N815  # the server's names

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def test_an_overloaded_server_is_unavailable(monkeypatch):
    monkeypatch.setattr("steerlm_jobs.store.s3._connection", fresh_connection)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Overloaded) as server:
        threading.Thread(target=server.serve_forever).start()
        use(f"http://127.0.0.1:{server.server_port}", monkeypatch)
        store = S3Store("s3://some-bucket/x")
        for call in (lambda: store.read("a"), lambda: store.write_once("a", b""), store.list):
            with pytest.raises(StoreUnavailableError, match="run again"):
                call()
        server.shutdown()


def test_a_store_that_ignores_if_none_match_is_refused(store: S3Store, monkeypatch):
    def put(self: S3Store, path: str, data: bytes) -> str:
        self.write(path, data)
        return ""

    monkeypatch.setattr(S3Store, "_put_if_absent", put)
    with pytest.raises(BadConfigError, match="StoreLacksConditionalWrites"):
        check_conditional_writes(store)
    assert store.list() == ()


def test_an_address_without_bucket_is_refused():
    with pytest.raises(BadConfigError, match="no bucket"):
        open_store("s3://")


def fresh_connection(_process_id: int, _endpoint: str) -> s3fs.S3FileSystem:
    """Connect as the store does, but with the credentials of this moment and fewer attempts."""
    return s3fs.S3FileSystem(
        use_listings_cache=False,
        skip_instance_cache=True,
        config_kwargs={"retries": {"max_attempts": 1}, "connect_timeout": 2},
    )
