"""A training as a description: all that decides what comes out, and nothing of where or when."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from advcore.learnt import learnt_in
from advcore.training import Recipe, Validation, Watch
from advcore.workers.code import own_code
from advcore.workers.models import ModelSpec, content_hash

OnOverfitting = Literal["report", "stop", "back"]
Head = Literal["new"]


def first_network(model: ModelSpec, head: Head | None) -> ModelSpec:
    """The network of a training before its start is looked at.

    It is `model`, without its checkpoint where the last layer is new, which may not fit that.
    """
    return model if head is None else replace(model, checkpoint=None)


@dataclass(frozen=True)
class TrainingSpec:
    """A training that any machine can do that has its samples.

    Attributes:
        name: name of the training.
        model: network to train; its checkpoint, a file here or on s3://, is the start.
        recipe: recipe of the training.
        validation: samples held out of the training samples, and how an epoch is chosen by them.
        watch: further measurement after each epoch.
        on_overfitting: reaction to overfitting: report it alone, stop, or stop and go back.
        settings: the training as words, numbers, lists and mappings, for its identity and for what
            is written beside the network: `model`, `data`, `recipe`, `validation`, `watch` and
            `on_overfitting` among them, `freeze` and `head` where they are set.
        freeze: patterns of what stays as it is, see `advcore.training.freezing.freeze`.
        head: whether the last layer is a new one.
    """

    name: str
    model: ModelSpec
    recipe: Recipe
    validation: Validation | None
    watch: Watch | None
    on_overfitting: OnOverfitting
    settings: Mapping[str, Any]
    freeze: tuple[str, ...] = ()
    head: Head | None = None

    @property
    def network(self) -> ModelSpec:
        """The network before its start is looked at, see `first_network`."""
        return first_network(self.model, self.head)

    def identity(self, digest: str) -> str:
        """Return the training's id on samples of this digest, 16 hexadecimal digits.

        It covers network, first weights, samples, what is held out and watched, recipe, and what is
        frozen or new, and what the fits learnt that the recipe names.
        """
        names = ("validation", "watch", "on_overfitting", "recipe")
        chosen = [self.settings[name] for name in names]
        chosen += [["freeze", *self.freeze]] if self.freeze else []
        chosen += [["head", self.head]] if self.head is not None else []
        parts = [self.name, content_hash(self.model), digest, *chosen]
        parts += [["fit", fit.name, fit.key] for fit in learnt_in(self.recipe)]
        parts += filter(None, [own_code(chosen)])
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def until(self, done: int) -> "TrainingSpec":
        """Return the training without the changes of its recipe after the first `done` epochs."""
        before = [change.after < done for change in self.recipe.changes]
        recipe = self.settings["recipe"]
        kept = [change for change, keep in zip(recipe["changes"], before, strict=True) if keep]
        return replace(
            self,
            recipe=replace(self.recipe, changes=self.recipe.changes[: len(kept)]),
            settings={**self.settings, "recipe": {**recipe, "changes": kept}},
        )
