"""Files on S3 as local ones: each version of one is fetched once to a machine."""

import hashlib
import os
import re
from pathlib import Path

from advcore.workers import local_cache
from advcore.workers.errors import InputError
from advcore.workers.files import atomic_write
from advcore.workers.paths import expand_path
from advcore.workers.stores.s3_address import address
from advcore.workers.stores.s3_requests import Bucket


def local_file(name: str, what: str) -> Path:
    """Return the file `name` on this machine.

    s3://BUCKET/KEY is fetched, unless this version of it was before.

    `what` it is stands in messages. Raises InputError where S3 has none, or does not let us have
    it.
    """
    if not name.startswith("s3://"):
        return expand_path(name)
    place = address(name, what)
    bucket = Bucket(place.bucket)
    try:
        tag, size = bucket.look(place.key)
        ending = re.search(r"\.[A-Za-z0-9]{1,16}$", place.key)  # by which readers know what it is
        version = hashlib.sha256(f"{bucket.endpoint} {place} {tag} {size}".encode()).hexdigest()
        file = cache_folder() / f"{version}{ending[0] if ending else ''}"
        with local_cache.one_at_a_time(file):
            if not (file.is_file() and file.stat().st_size == size):
                with atomic_write(file) as unfinished, unfinished.open("wb") as opened:
                    bucket.download(place.key, tag, opened)
                    opened.flush()
                    os.fsync(opened.fileno())
    except FileNotFoundError as error:
        raise InputError(f"{what} {error}") from None
    except OSError as error:
        reason = f"cannot be kept in {cache_folder()} ({error.strerror or error})"
        raise InputError(f"{what} {place} {reason}: free it, or set XDG_CACHE_HOME") from error
    return file


def cache_folder() -> Path:
    """Return the cache of fetched files, see `advcore.workers.local_cache`."""
    return local_cache.cache_folder("s3")
