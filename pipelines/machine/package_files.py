"""A fingerprint of the files of advcore: it changes with a checkout or a version."""

import hashlib
import os

import advcore
from advcore import pipelines, workers


def package_fingerprint() -> str:
    """Return a hash of all files of the package, by path, size and time."""
    digest = hashlib.sha256()
    for package in (advcore, workers, pipelines):
        for folder, names, files in os.walk(package.__path__[0]):
            names[:] = sorted(name for name in names if name != "__pycache__")
            for file in sorted(files):
                own = os.stat(os.path.join(folder, file))
                digest.update(f"{folder}/{file} {own.st_size} {own.st_mtime_ns}\n".encode())
    return digest.hexdigest()
