"""The metadata in a trained network's file: architecture, normalisation, data, recipe, score."""

import json
from collections.abc import Mapping
from typing import Any


def make_card(about: Mapping[str, Any]) -> dict[str, str]:
    """Return a network's metadata, by `advcore.NAME`: its origin, and how to build it in torch.

    `about` is what stands in the JSON beside a network: its training's settings, its epochs'
    numbers, which of them it is of. Values that are not texts are JSON; mean and std are in pixel
    units [0, 1], one number a channel, or null: no normalisation.
    """
    settings, epoch = about["settings"], about["epoch"]
    model = settings["model"]
    words: dict[str, Any] = {
        name: model.get(name)
        for name in ("architecture", "arguments", "classes", "mean", "std", "transform")
    }
    words |= {
        "training": about["training"],
        "data": {**settings["data"], "digest": about["data"]},
        "recipe": settings["recipe"],
    }
    words |= {"epoch": epoch, "numbers": about["metrics"][epoch - 1]}
    return {
        f"advcore.{name}": word if isinstance(word, str) else json.dumps(word)
        for name, word in words.items()
    }
