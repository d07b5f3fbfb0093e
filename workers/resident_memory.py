"""The memory that a process takes."""

import resource
import sys


def peak_bytes() -> int:
    """Return the most memory that this process has held at once since it began, in bytes.

    It is the resident part, that of libraries included; a GPU's own memory is none of it.
    """
    told = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return told if sys.platform == "darwin" else 1024 * told  # kilobytes on Linux, bytes on macOS
