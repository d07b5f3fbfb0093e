"""Names that become file names: of studies, sweeps, trainings, models and probes."""

import hashlib
import re
from pathlib import Path

from advcore.workers.errors import InputError

MOST_CHARACTERS = 100
"""Signs of a name; file systems take 255 bytes, and a figure's name is made of two."""


RESERVED = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10)),
}
"""Names that Windows takes for devices, whatever follows behind a dot."""


def check_name(name: str) -> None:
    """Raise ValueError for a name that cannot be a file name on every system."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name):
        raise ValueError(
            "a name is made of letters, digits, '-', '_' and '.', and does not begin with "
            f"'.'; got {name!r}"
        )
    if len(name) > MOST_CHARACTERS:
        raise ValueError(
            f"a name must have at most {MOST_CHARACTERS} characters; got {len(name)}: "
            f"{name[:20]}..."
        )
    if name.endswith(".") or name.partition(".")[0].upper() in RESERVED:
        raise ValueError(f"{name!r} cannot be a file's name on Windows; choose another name")


def file_stem(label: str) -> str:
    """Return a file's name for what is called `label`, such as `student seed=0`.

    Signs that no file's name should have become `_`; such labels, and long ones, are told apart by
    a hash.
    """
    spaced = label.replace(" ", "_")
    name = re.sub(r"[^A-Za-z0-9_.=-]", "_", spaced)
    if len(name) > MOST_CHARACTERS or name != spaced:
        digest = hashlib.sha256(label.encode()).hexdigest()[:10]
        name = f"{name[: MOST_CHARACTERS - 11]}-{digest}"
    return name


TAKEN = ("store", "models", "training", "fetched", "mlflow.db", "mlartifacts", "timings.json")
"""Names in a folder of results that are no folders of studies or sweeps."""


def check_folder_name(name: str) -> None:
    """Raise ValueError for a study's or sweep's name that collides with another folder."""
    check_name(name)
    if name.lower() in TAKEN or name.lower().startswith("mlflow.db"):
        raise ValueError(
            f"the name {name!r} is taken in a folder of results ({', '.join(TAKEN)}); choose "
            "another one"
        )


def check_alone(folder: Path, other: str) -> None:
    """Raise InputError if the folder holds a study where a sweep is written, or the reverse.

    `other` is the file that tells, such as study.yaml.
    """
    if (folder / other).exists():
        raise InputError(
            f"{folder} holds the {other.partition('.')[0]} of that name: choose another name, "
            "or another folder (out: ...)"
        )
