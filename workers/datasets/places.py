"""Names of several files in one: a folder, or a range of numbers in braces."""

import re

from advcore.workers.datasets.reading import File, look
from advcore.workers.errors import InputError
from advcore.workers.paths import expand_path

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
MOST_FILES = 100_000
"""Files of one data set, at most."""


def files_of(name: str, path: str, ending: str) -> tuple[File, ...]:
    """Return the present versions of the files of a data set `name`, in order.

    `path` is one file, `part-{0000..0145}.tar` for a range of numbers, or a folder on disk of files
    with that ending. Raises InputError where one is not there.
    """
    found = _RANGE.search(path)
    if found:
        first, last, digits = int(found[1]), int(found[2]), len(found[1])
        if not 0 <= last - first < MOST_FILES:
            raise InputError(
                f"{name} names {found[0]}: expected 1 to {MOST_FILES} files in their order"
            )
        places = [
            f"{path[: found.start()]}{number:0{digits}d}{path[found.end() :]}"
            for number in range(first, last + 1)
        ]
        return tuple(look(place, f"{name}, {place}") for place in places)
    if not path.startswith("s3://") and (folder := expand_path(path)).is_dir():
        there = sorted(folder.glob(f"*{ending}"))
        if not there:
            raise InputError(f"{name} is a folder without a file *{ending}: check the path")
        return tuple(look(str(place), name) for place in there)
    return (look(path, name),)
