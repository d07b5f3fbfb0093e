"""The metadata in a trained network's file, read and added to, and its description in words."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from advcore.workers.checkpoints import read_metadata, read_tensors, save_tensors
from advcore.workers.training.card import make_card


def add_to_card(path: Path, words: Mapping[str, str]) -> None:
    """Add metadata, by `advcore.NAME`, to a file of weights."""
    more = {f"advcore.{name}": word for name, word in words.items() if word}
    save_tensors(read_tensors(path), path, {**read_metadata(path), **more})


def card_of(weights: Path, about: Mapping[str, Any]) -> dict[str, str]:
    """Return a network's metadata with those that were added to its file, such as its score."""
    own = read_metadata(weights)
    added = {name: word for name, word in own.items() if name.startswith("advcore.")}
    return make_card(about) | added


def model_description(about: Mapping[str, Any], card: Mapping[str, str]) -> str:
    """Return a registered model's description in Markdown; `card` is its metadata."""
    words = {name.removeprefix("advcore."): word for name, word in card.items()}
    numbers = ", ".join(
        f"{name} {value:.4g}" for name, value in about["metrics"][about["epoch"] - 1].items()
    )
    normalised = "there is no normalisation"
    if (words["mean"], words["std"]) != ("null", "null"):
        normalised = f"normalisation stands inside (mean {words['mean']}, std {words['std']})"
    return "\n".join(
        [
            f"`{words['architecture']}` for {words['classes']} classes, trained by advcore on "
            f"{about['settings']['data']['name']}: epoch {words['epoch']}, {numbers}.",
            "",
            *([_scored(words), ""] if "score" in words else []),
            f"Images `(B, C, H, W)` in [0, 1], float32, to logits `(B, K)`; {normalised}.",
            "",
            "Without advcore: `artifacts/network.pt2`, by `torch.export.load(path).module()`. "
            "`artifacts/` also holds the weights, "
            "whose metadata say architecture, arguments, data and recipe.",
        ]
    )


def _scored(words: Mapping[str, str]) -> str:
    """Return the sentence about the sweep that chose a network, and its number there."""
    score = json.loads(words["score"])
    low, high = score["interval"] or (None, None)
    between = "" if low is None or high is None else f" (95 %: {low:.4g} to {high:.4g})"
    by = "" if score["chosen_by"] == score["name"] else f", chosen by `{score['chosen_by']}`"
    number = "" if score["value"] is None else f" {score['value']:.4g}"
    return f"The best of sweep `{words['sweep']}`: `{score['name']}`{number}{between}{by}."
