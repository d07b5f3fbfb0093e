"""A small study as a graph: perceptrons on 8 x 8 digits, trained and tuned, two seeds."""

from pathlib import Path
from typing import Any

from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema

NETWORK = {"architecture": "perceptron", "width": 16}


def document(out: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "small",
        "axes": {"seed": 2},
        "data_sets": {
            "train": {"name": "digits", "split": "train", "samples": 300},
            "few": {"name": "digits", "split": "train", "samples": 50, "seed": 1},
            "test": {"name": "digits", "samples": 40},
        },
        "models": {
            "plain": {
                "recipe": {"base": "plain", "set": {"epochs": 2}},
                "network": NETWORK,
                "data": "train",
                "seed": "$seed",
            },
            "tuned": {
                "recipe": {"base": "plain", "set": {"epochs": 1}},
                "network": NETWORK,
                "data": "few",
                "start": "plain",
                "seed": "$seed",
            },
        },
        "probes": {
            "robustness": {
                "kind": "robustness",
                "model": ["plain", "tuned"],
                "data": ["few", "test"],
                "eps": [0.1, 0.5],
                "attacks": [{"kind": "fgsm", "norm": "l2"}],
            }
        },
        "claims": {
            "small_eps": {
                "kind": "level",
                "says": "some are right",
                "of": {
                    "probe": "robustness",
                    "column": "broken_at",
                    "above": 0.0,
                    "where": {"data": "test", "attack": "fgsm-l2"},
                    "statistic": "mean",
                },
                "each": "model",
                "at_least": 0.0,
            },
        },
        "run": {"runner": "inline", "out": str(out), "track": False, "threads": 1},
        **changes,
    }


def study(out: Path, **changes: Any) -> GraphStudy:
    return schema.structure(GraphStudy, document(out, **changes))
