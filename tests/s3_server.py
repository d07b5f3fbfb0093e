"""An S3 on loopback (moto's server), and buckets in it for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

SECRET = "planted0secret0of0the0bucket0wJalrXUtn"
"""The secret key of all tests: it must stand in nothing that is written or said."""


@dataclass(frozen=True)
class S3:
    """A bucket of its own, which the environment leads to."""

    port: int
    bucket: str
    client: Any

    def url(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

    @contextmanager
    def directly(self) -> Iterator[None]:
        """The environment leads there, and not to a proxy before it."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{self.port}")
            yield

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """All objects under a prefix, by the rest of their keys."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {
            key.removeprefix(prefix): self.client.get_object(Bucket=self.bucket, Key=key)[
                "Body"
            ].read()
            for key in keys
        }


@contextmanager
def running() -> Iterator[int]:
    """The server's port; it runs in a thread of this process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield server.get_host_and_port()[1]
    finally:
        server.stop()


def settings(port: int, folder: Path) -> dict[str, str]:
    """The environment that leads to the server, and to nothing outside of it."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "AKIAPLANTED",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(folder / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


def bucket(port: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> S3:
    """A new bucket, and the environment set."""
    for name in (
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL_S3",
        "AWS_REGION",
        "AWS_MAX_ATTEMPTS",
        "AWS_RETRY_MODE",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings(port, folder).items():
        monkeypatch.setenv(name, value)
    name = f"advcore-{uuid4().hex}"
    client = _client(port)
    client.create_bucket(Bucket=name)
    return S3(port, name, client)


@cache
def _client(port: int) -> Any:
    import boto3

    keys = {"aws_access_key_id": "own", "aws_secret_access_key": "own", "region_name": "us-east-1"}
    return boto3.session.Session().client("s3", endpoint_url=f"http://127.0.0.1:{port}", **keys)
