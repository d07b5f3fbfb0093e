"""Addresses on S3: s3://BUCKET/KEY, checked and without credentials."""

import re
from dataclasses import dataclass

from advcore.workers.errors import InputError


@dataclass(frozen=True)
class Address:
    """The bucket and key of s3://BUCKET/KEY; `str` of it is that URL."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def address(url: str, what: str) -> Address:
    """Return the address in `s3://BUCKET/KEY`, without slashes at the key's end.

    Raises InputError for others; what is refused is not repeated where it could hold credentials.
    """
    bucket, _, key = url.removeprefix("s3://").partition("/")
    shown = "one with '@' or '?'" if "@" in url or "?" in url else repr(url)
    if not url.startswith("s3://") or not re.fullmatch(
        r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", bucket
    ):
        raise InputError(
            f"{what} must be s3://BUCKET/KEY, without credentials, those are found in the "
            f"environment; got {shown}"
        )
    key = key.rstrip("/")
    parts = key.split("/")
    if not re.fullmatch(r"[^\x00-\x1f\x7f?#\\]{1,900}", key) or any(
        part in ("", ".", "..") for part in parts
    ):
        raise InputError(
            f"{what} needs a key of names between single slashes, none of them '.' or '..'; "
            f"got {shown}"
        )
    return Address(bucket, key)
