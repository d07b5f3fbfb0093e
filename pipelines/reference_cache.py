"""The texts of the reference without torch: kept in this machine's cache.

They are made from the dataclasses, whose import takes seconds, and hold as long as no file of
advcore and no Python has changed.
"""

import json
import sys
from contextlib import suppress
from pathlib import Path

from advcore.pipelines.machine.package_files import package_fingerprint
from advcore.workers.files import atomic_write
from advcore.workers.local_cache import cache_folder

Texts = dict[str, dict[str, tuple[str, str]]]
"""The words of each name on itself, and its entry for the terminal, by section and name."""


def cache_file() -> Path:
    """Return the path of the one file that holds the texts."""
    return cache_folder("reference") / "texts.json"


def reference_texts() -> Texts:
    """Return the texts of the reference, from the cache or from the dataclasses.

    A cache that cannot be written costs the next call its seconds, and nothing else.
    """
    key = f"{sys.version} {package_fingerprint()}"
    found = _read(key)
    if found is not None:
        return found
    from advcore.pipelines.reference import all_texts  # it brings torch

    texts = all_texts()
    with suppress(OSError), atomic_write(cache_file()) as unfinished:
        unfinished.write_text(json.dumps({"key": key, "texts": texts}), encoding="utf-8")
    return texts


def _read(key: str) -> Texts | None:
    """Return the texts in the cache; None if there are none, or they are of other files."""
    try:
        cached = json.loads(cache_file().read_text(encoding="utf-8"))
        return _as_texts(cached["texts"]) if cached["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # damaged, or another version's


def _as_texts(value: dict[str, dict[str, list[str]]]) -> Texts:
    return {
        title: {name: (words, entry) for name, (words, entry) in known.items()}
        for title, known in value.items()
    }
