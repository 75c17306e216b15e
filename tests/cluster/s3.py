"""A real S3 server on a folder, with one user."""

import secrets
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import boto3

from tests.cluster.build import s3_server
from tests.cluster.control_plane import free_port
from tests.cluster.processes import end, start

START_SECONDS = 30


@dataclass
class S3Server:
    """A running server below one folder. Use as a context manager."""

    root: Path
    port: int = field(default_factory=free_port)
    access_key: str = field(default_factory=lambda: secrets.token_hex(8))
    secret_key: str = field(default_factory=lambda: secrets.token_hex(16))
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def credentials(self) -> dict[str, str]:
        """What a Secret for it holds."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}

    def __enter__(self) -> "S3Server":
        data = self.root / "data"
        data.mkdir(parents=True)
        keys = ["--access", self.access_key, "--secret", self.secret_key]
        address = ["--port", f"127.0.0.1:{self.port}"]
        command = [str(s3_server()), *keys, *address, "posix", str(data)]
        self._process = start(command, self.root / "log.txt", at=self.root)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(self.url, timeout=1).read()
            except urllib.error.HTTPError:
                return self  # it answers: no anonymous access
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
            else:
                return self
        msg = f"the S3 server was not ready; see {self.root}/log.txt"
        raise TimeoutError(msg)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end(self._process)

    def client(self) -> "boto3.client":
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )

    def make_bucket(self, name: str) -> None:
        self.client().create_bucket(Bucket=name)

    def upload(self, folder: Path, bucket: str, prefix: str) -> None:
        """Upload the files of a folder."""
        client = self.client()
        for file in sorted(folder.iterdir()):
            if file.is_file():
                client.upload_file(str(file), bucket, f"{prefix}/{file.name}")
