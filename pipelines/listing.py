"""What a file can name: studies, recipes, sweeps, probes, attacks, objectives, data sets, networks,
with its first sentence."""

import re
from pathlib import Path
from typing import cast

from advcore.attacks import ATTACKS
from advcore.networks import NETWORKS
from advcore.networks.wrappers import WRAPPERS
from advcore.pipelines.settings.schedulers import SCHEDULERS, SEARCHERS
from advcore.pipelines.settings.shipped import shipped
from advcore.probes import PROBES
from advcore.subspaces import FAMILIES
from advcore.training import AUGMENTATIONS, SCHEDULES, TERMS
from advcore.transforms import TRANSFORMS
from advcore.workers.adapters import ADAPTERS
from advcore.workers.datasets import NAMES


def show_names() -> None:
    """All of it on the terminal."""
    sections: dict[str, dict[str, str]] = {}
    for folder in ("studies", "recipes", "sweeps"):
        sections[folder] = {name: _comment(path) for name, path in shipped(folder).items()}
    kinds = {
        "probes": PROBES,
        "attacks": {**ATTACKS, **ADAPTERS},
        "subspaces": FAMILIES,
        "terms of objectives": TERMS,
        "schedules": SCHEDULES,
        "augmentations": AUGMENTATIONS,
        "schedulers of sweeps": SCHEDULERS,
        "searchers of sweeps": SEARCHERS,
        "transforms": TRANSFORMS,
        "wrappers of models": WRAPPERS,
        "networks": NETWORKS,
    }
    for title, known in kinds.items():
        sections[title] = {
            kind: _sentence(value) for kind, value in cast(dict[str, object], known).items()
        }
    for title, entries in {**sections, "data sets": NAMES}.items():
        print(f"{title}:")
        for name, words in entries.items():
            print(f"  {name:20} {words}")
    print("A file names a class by `kind`; one of your own is `package.module:Class`.")


def _comment(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def _sentence(value: object) -> str:
    """The first sentence of a docstring, on one line."""
    return re.split(r"(?<! al)\. ", " ".join((value.__doc__ or "").split("\n\n")[0].split()))[
        0
    ].rstrip(".")
