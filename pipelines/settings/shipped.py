"""Settings files: the user's own, and those that come with advcore."""

import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from advcore.pipelines.settings.documents import load_yaml, override
from advcore.workers.errors import InputError


def shipped_files(folder: str) -> dict[str, Path]:
    """Return the YAML files that come with advcore, by name.

    `folder` is studies, recipes or sweeps.
    """
    root = Path(str(resources.files("advcore.pipelines"))) / folder
    return {file.stem: file for file in sorted(root.glob("*.yaml"))}


def find(name: str, folder: str) -> Path:
    """Find a file by its path, or by the name of one that comes with advcore.

    Raises InputError where there is neither.
    """
    if os.path.isfile(name):
        return Path(name)
    known = shipped_files(folder)
    if name in known:
        return known[name]
    shown = ", ".join(known) or "none"
    raise InputError(
        f"no file {name!r}, and none of that name comes with advcore ({shown}): give the path "
        "of a YAML file"
    )


def read_document(name: str, folder: str, settings: Sequence[str] = ()) -> dict[str, Any]:
    """Read the mapping in a YAML file, found as by `find`.

    `settings` are overrides, `dotted.name=value`.
    """
    return override(load_yaml(find(name, folder)), settings)
