"""S3, or what speaks like it: patient requests, and failures in one line without credentials.

Endpoint, region and credentials are those of the environment, as every process finds them for
itself (AWS_ENDPOINT_URL, AWS_PROFILE, AWS_ACCESS_KEY_ID, ..., the machine's own role): none is ever
handed on.
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from advcore.workers.errors import InputError, UnavailableError
from advcore.workers.stores.s3_address import Address
from advcore.workers.stores.s3_errors import AGAIN, AWAY, NO_S3, reason_for
from advcore.workers.stores.timeouts import check_listening

TRIES = 10
"""Number of tries of a request that fails for reasons that pass: 500, 503 SlowDown, a dropped
connection. Pauses grow up to 20 s."""

_SECONDS = {"connect_timeout": 5, "read_timeout": 60}
_PART = 16 * 2**20
"""Bytes from which an upload is made in parts, and of one part."""

_CHUNK = 2**20


class Bucket:
    """The requests that advcore makes of a bucket.

    Each raises InputError in one line where it finally fails.

    Raises InputError at once where there are no means to ask, or nobody to be asked.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        with self._translate_errors(""):
            self._client = _client()
        try:
            check_listening(self._client.meta.endpoint_url, _SECONDS["connect_timeout"])
        except OSError:
            raise self._refused("", AWAY, passing=True) from None
        except ValueError as error:
            raise self._refusal("", error) from None

    def __repr__(self) -> str:
        return f"s3://{self.name}"

    def put(self, key: str, body: bytes) -> None:
        """Write an object, large ones in parts: it is there whole or not at all."""
        self._upload(key, io.BytesIO(body))

    def upload(self, key: str, file: Path) -> None:
        """The same with a file."""
        with file.open("rb") as opened:
            self._upload(key, opened)

    def get(self, key: str, last: int | None = None) -> bytes:
        """An object, or its `last` bytes. Raises FileNotFoundError where there is none."""
        sink = io.BytesIO()
        self._read(key, sink, "" if last is None else f"bytes=-{last}")
        return sink.getvalue()

    def download(self, key: str, tag: str, file: IO[bytes]) -> None:
        """An object, whose ETag is `tag`, into an open file, from its beginning.

        Raises FileNotFoundError where there is none.
        """
        self._read(key, file, "", tag)

    def part(self, key: str, tag: str, offset: int, length: int) -> bytes:
        """Return `length` >= 1 bytes of an object, whose ETag is `tag`, from `offset` on.

        They are fewer where the object ends before. Raises FileNotFoundError where there is none.
        """
        sink = io.BytesIO()
        self._read(key, sink, f"bytes={offset}-{offset + length - 1}", tag)
        return sink.getvalue()

    def look(self, key: str) -> tuple[str, int]:
        """The ETag and the size of an object. Raises FileNotFoundError where there is none."""
        with self._translate_errors(key):
            found = self._client.head_object(Bucket=self.name, Key=key)
        return str(found["ETag"]), int(found["ContentLength"])

    def delete(self, key: str) -> None:
        """Remove an object."""
        with self._translate_errors(key):
            self._client.delete_object(Bucket=self.name, Key=key)

    def page(self, prefix: str, after: str) -> tuple[list[str], bool]:
        """Return up to a thousand keys under `prefix` that follow `after`, in their order.

        Also return whether there are more.
        """
        with self._translate_errors(prefix):
            found = self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, StartAfter=after)
        return [entry["Key"] for entry in found.get("Contents", [])], bool(found.get("IsTruncated"))

    def listing(self, prefix: str) -> Iterator[tuple[str, int, str]]:
        """Yield key, size and ETag of all objects under `prefix`, in the order of their keys."""
        after = ""
        while True:
            with self._translate_errors(prefix):
                found = self._client.list_objects_v2(
                    Bucket=self.name, Prefix=prefix, StartAfter=after
                )
            for entry in found.get("Contents", []):
                after = entry["Key"]
                yield after, int(entry["Size"]), str(entry["ETag"])
            if not found.get("IsTruncated"):
                return

    def _upload(self, key: str, file: IO[bytes]) -> None:
        try:
            with self._translate_errors(key):
                from boto3.s3.transfer import TransferConfig

                ways = TransferConfig(
                    multipart_threshold=_PART, multipart_chunksize=_PART, max_concurrency=4
                )
                self._client.upload_fileobj(file, self.name, key, Config=ways)
        except FileNotFoundError:  # a place to put something is never missing
            raise self._refused(key, NO_S3) from None

    def _read(self, key: str, sink: IO[bytes], part: str, tag: str = "") -> None:
        """An object into a sink.

        A body that breaks off is asked for again, from where it broke off, if it is still the same.
        """
        from botocore.exceptions import FlexibleChecksumError, HTTPClientError, IncompleteReadError

        failures = 0
        while True:
            done = sink.tell()
            asked = {"Range": f"bytes={done}-"} if done else {"Range": part} if part else {}
            with self._translate_errors(key):
                found = self._client.get_object(
                    Bucket=self.name, Key=key, **asked, **({"IfMatch": tag} if tag else {})
                )
            tag = found["ETag"]
            try:
                with closing(found["Body"]) as body:
                    for chunk in body.iter_chunks(_CHUNK):
                        sink.write(chunk)
                return
            except (HTTPClientError, IncompleteReadError, FlexibleChecksumError) as error:
                failures = 0 if sink.tell() - done >= _CHUNK else failures + 1
                if failures == TRIES:
                    raise self._refused(
                        key, f"the answer was cut off: {AGAIN}", passing=True
                    ) from None
                if part or isinstance(error, FlexibleChecksumError):
                    sink.seek(0)
                    sink.truncate()

    @contextmanager
    def _translate_errors(self, key: str) -> Iterator[None]:
        """Turn boto3's errors into FileNotFoundError or InputError, both without a cause.

        FileNotFoundError means that there is no such object. A cause would stand in the traceback
        of a shard, and could hold the endpoint's credentials.
        """
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                raise FileNotFoundError(
                    f"{Address(self.name, key)} is not there: check the names of bucket and object"
                ) from None
            raise self._refusal(key, error) from None
        except (
            BotoCoreError,
            Boto3Error,
            OSError,
            ValueError,
            KeyError,
            RecursionError,
        ) as error:  # the last two: of what is no S3
            raise self._refusal(key, error) from None

    def _refusal(self, key: str, error: Exception) -> InputError:
        return self._refused(key, *reason_for(error))

    def _refused(self, key: str, reason: str, passing: bool = False) -> InputError:
        return (UnavailableError if passing else InputError)(
            f"{Address(self.name, key)}, asked for at {self.endpoint}: {reason}"
        )

    @property
    def endpoint(self) -> str:
        """Return where requests go, without credentials."""
        client = getattr(self, "_client", None)
        if client is None:  # it could not be made, perhaps for the endpoint's own sake
            return "AWS_ENDPOINT_URL" if os.environ.get("AWS_ENDPOINT_URL") else "AWS"
        found = urlsplit(client.meta.endpoint_url)
        return f"{found.scheme}://{found.netloc.rpartition('@')[2]}"


def _client() -> Any:
    import boto3  # here, for it takes a while and most studies need none of it
    import botocore.session
    from botocore.config import Config

    ways: dict[str, Any] = {"mode": os.environ.get("AWS_RETRY_MODE", "standard")}
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        ways["total_max_attempts"] = TRIES
    session = botocore.session.get_session()
    session.register_component("data_loader", _descriptions())
    settings = Config(retries=ways, max_pool_connections=32, **_SECONDS)
    client = boto3.session.Session(botocore_session=session).client("s3", config=settings)
    if not re.search(
        r"\.amazonaws\.com(\.cn)?$", urlsplit(client.meta.endpoint_url).hostname or ""
    ):
        for name in (
            "request_checksum_calculation",
            "response_checksum_validation",
        ):  # other servers know no headers of them
            if (
                session.get_config_variable(name) == "when_supported"
                and f"AWS_{name.upper()}" not in os.environ
            ):
                setattr(client.meta.config, name, "when_required")
    return client


@cache
def _descriptions() -> Any:
    """Load botocore's descriptions of services once in a process.

    This is most of the time that a client takes.
    """
    import botocore.session

    return botocore.session.get_session().get_component("data_loader")
