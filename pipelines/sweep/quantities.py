"""Labels of a sweep's numbers and settings in charts: words, units, shares in percent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from advcore.attacks.attack import norm_of
from advcore.pipelines.sweep.metric_names import HELD_OUT
from advcore.probes import Margins, Probe, Robustness
from advcore.probes.robustness import WORST
from advcore.shares import wilson

PIXELS = "pixels in [0, 1]"


@dataclass(frozen=True)
class Quantities:
    """The meanings of the names of a sweep's numbers and settings.

    Attributes:
        probes: of the sweep, by name.
        training: the settings of its training, in which a norm may stand beside an eps.
        samples: how many each probe measured, where that is known: shares then have intervals.
    """

    probes: Mapping[str, Probe] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    samples: Mapping[str, int] = field(default_factory=dict)

    def setting(self, name: str, short: str) -> str:
        """Return the axis label of a setting: its term, and the norm of an eps."""
        steps = name.split(".")
        owner = f" of {steps[2]}" if steps[:2] == ["recipe", "objective"] and len(steps) > 3 else ""
        words = f"{steps[-1].replace('_', ' ')}{owner}" if owner else short
        if steps[-1] != "eps":
            return words
        place: Any = self.training
        for step in steps[:-1]:
            place = place.get(step, {}) if isinstance(place, Mapping) else {}
        norm = place.get("norm") if isinstance(place, Mapping) else None
        return f"{words} in training ({norm}, {PIXELS})" if norm else words

    def number(self, name: str) -> str:
        """Return the axis label of a number or curve, with its unit."""
        unit = " (%)" if self.is_share(name) else ""
        if (
            isinstance(self.probes.get(name.partition("/")[0]), Margins)
            and "margin" in name.partition("/")[2]
        ):
            unit = " (l2, pixel units, no box)"
        return f"{self._words(name)}{unit}"

    def title(self, name: str) -> str:
        """Return the same within a sentence, without a unit."""
        return self._words(name)

    def position(self, curve: str, position: str) -> str:
        """Return the meaning of a position on a curve: an eps, a block of frequencies."""
        probe = self.probes.get(curve.removeprefix(HELD_OUT).partition("/")[0])
        if isinstance(probe, Robustness):
            return f"ε = {position} ({norm_of(probe.chosen[0])})"
        return (
            f"block {position}"
            if isinstance(probe, Margins)
            else f"at {position}"
            if probe is not None
            else position
        )

    def is_share(self, name: str) -> bool:
        """True if a number is a share of samples.

        It is an accuracy of the epochs or of a robustness probe.
        """
        probe, _, word = name.removeprefix(HELD_OUT).partition("/")
        if isinstance(self.probes.get(probe), Robustness):
            return word == "accuracy" or word.startswith("robust_accuracy/")
        if probe == "watch":
            return word.endswith("accuracy")
        return (
            probe.endswith("accuracy")
            and not word
            and (name == "test_accuracy" or name.startswith(HELD_OUT))
        )

    def drawn(self, name: str, values: Tensor) -> Tensor:
        """Return values as they are drawn: shares in percent."""
        return 100 * values if self.is_share(name) else values

    def band(self, name: str, values: Tensor) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """Return Wilson's 95 % intervals of shares in percent; none of other numbers.

        They are over the probe's samples.
        """
        count = self.samples.get(name.partition("/")[0])
        if count is None or not self.is_share(name) or not bool(values.isfinite().all()):
            return None, None
        ends = 100 * torch.tensor(
            [wilson(round(value * count), count) for value in values.tolist()], dtype=torch.float64
        )
        return ends[:, 0], ends[:, 1]

    def _words(self, name: str) -> str:
        held_out = ", on samples held out" if name.startswith(HELD_OUT) else ""
        probe, _, word = name.removeprefix(HELD_OUT).partition("/")
        own = self.probes.get(probe)
        if isinstance(own, Robustness) and word.startswith("robust_accuracy/"):
            _, attack, *at = word.split("/")
            by = (
                f", {attack} alone"
                if attack != WORST
                else ", all attacks together"
                if len(own.chosen) > 1
                else ""
            )
            where = f" at {self.position(name, at[0])}" if at else ""
            return f"robust accuracy{where}{by}{held_out}"
        if own is not None:
            end = word.rpartition("/")
            at_words = (
                f" at {self.position(name, end[2])}".replace("at at ", "at ")
                if end[0] and _is_number(end[2])
                else ""
            )
            plain = (end[0] if at_words else word).replace("_", " ").replace("/", ": ")
            several = sum(isinstance(other, type(own)) for other in self.probes.values()) > 1
            return f"{plain}{at_words}{f', {probe}' if several else ''}{held_out}"
        if probe == "watch":
            return f"{word.replace('_', ' ').replace('pgd', 'PGD')} of the watch"
        return name.replace("_", " ") if self.probes or self.training else name


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
