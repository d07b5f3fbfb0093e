"""Trainings whose recipe names a fit: they wait for it, are given it, and are known by it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_graph import NETWORK, document

from advcore.pipelines import run
from advcore.pipelines.graph.expanded_layout import graph_layout
from advcore.pipelines.graph.loader import Loader
from advcore.pipelines.graph.settings import GraphStudy
from advcore.pipelines.settings import schema
from advcore.workers.checkpoints import read_weights
from advcore.workers.errors import InputError

SPAN = {"kind": "along", "fit": "span", "dim": 3}


def study(out: Path, eps: float = 1.0, seed: int = 0, **recipe: Any) -> GraphStudy:
    data = document(out, claims={})
    attack = {"kind": "pgd", "eps": eps, "steps": 2, "threat": SPAN}
    change = {"epochs": 1, "objective": {"adversarial": {"kind": "adversarial", "attack": attack}}}
    data["axes"] = {"seed": 1}
    data["fits"] = {
        "span": {"kind": "random_directions", "model": "plain", "data": "few", "directions": 3}
        | {"seed": seed}
    }
    data["models"]["tuned"] = {
        "recipe": {"base": "plain", "set": change},
        "network": NETWORK,
        "data": "few",
        "seed": "$seed",
    }
    data["probes"] = {"accuracy": {"kind": "accuracy", "model": "tuned", "data": "test"}}
    return schema.structure(GraphStudy, data)


def weights(out: Path) -> torch.Tensor:
    files = (out / "models").glob("*.safetensors")
    name = max(files, key=lambda own: own.stat().st_mtime)
    return torch.cat([own.flatten() for own in read_weights(name).values()])


@pytest.mark.slow
def test_a_training_is_given_its_fit_and_is_another_one_with_another(tmp_path: Path) -> None:
    places = [graph_layout(study(tmp_path, seed=seed), Loader()) for seed in (0, 0, 1)]
    first, same, other = (own.trainings["tuned seed=0"].name for own in places)
    assert first == same != other
    found = run(study(tmp_path))
    assert len(found.table("accuracy")) == 40
    one = weights(tmp_path)
    assert run(study(tmp_path)).table("accuracy").equals(found.table("accuracy"))
    assert torch.equal(weights(tmp_path), one)  # nothing was trained again
    run(study(tmp_path, seed=1))
    assert not torch.equal(weights(tmp_path), one)


def test_a_fit_that_is_not_there_is_refused(tmp_path: Path) -> None:
    data = document(tmp_path)
    attack = {"kind": "pgd", "eps": 1.0, "threat": SPAN}
    term = {"adversarial": {"kind": "adversarial", "attack": attack}}
    data["models"]["tuned"]["recipe"]["set"]["objective"] = term
    with pytest.raises(InputError, match="span"):
        graph_layout(schema.structure(GraphStudy, data), Loader())
