"""Results of a study that was never run, to make pages of."""

import json
from pathlib import Path
from typing import Any

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def claim(**changes: Any) -> dict[str, Any]:
    return {
        "says": "a ratio",
        "value": 0.3,
        "low": 0.2,
        "high": 0.4,
        "expected": ">= 0.5",
        "verdict": "no",
        "resampled": "3 seeds",
        "warnings": [],
    } | changes


def results(**changes: Any) -> dict[str, Any]:
    return {
        "study": "tiny",
        "missing": [],
        "scalars": {"margins": {"plain": {"median": 1.5, "far": "inf"}, "robust": {"median": 2.5}}},
        "meanings": {"margins": {"plain": {"median": "l2"}, "robust": {"median": "l2"}}},
        "claims": {"first": claim()},
        "warnings": {},
        "ids": {"study": "1a", "samples": {"test": 8}, "models": {"plain": "ab"}, "seed": 3},
        "versions": {"version.torch": "2.15.0", "advcore.device": "cpu"},
        "figures": {},
    } | changes


def written(folder: Path, **changes: Any) -> Path:
    (folder / "tables").mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(results(**changes)))
    (folder / "study.yaml").write_text("name: tiny\n")
    return folder
