"""A home folder for users without one, as in some containers."""

import getpass
import os
import sys
from pathlib import Path


def ensure_home() -> None:
    """Set HOME to a folder of our own if there is none; Ray and MLflow fail without one."""
    try:
        Path.home()
    except RuntimeError:
        from advcore.workers.pool.local_ray import own_folder  # it brings torch

        folder = own_folder()
        if folder is None:
            return  # whatever needs one says so
        os.environ["HOME"] = folder
        print(
            (
                f"advcore: this user has no home folder, {folder} is used instead: "
                "set HOME to have another one"
            ),
            file=sys.stderr,
        )
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"user{os.getuid()}"
