"""Methods at matched scores: of each the strength whose score is nearest to a reference's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from advcore.pipelines.claims import Numbers
from advcore.pipelines.tables.kinds import Part
from advcore.pipelines.tables.spread import check_alone, statistic_of
from advcore.probes import Columns


@dataclass(frozen=True)
class Matched:
    """The numbers of several methods, each at the strength that is chosen by a score.

    A method has members of several strengths. That one is taken whose score is nearest to the
    reference's, the first of equal ones; so that robust accuracy, say, is compared at the same
    clean accuracy. The score should be of samples that nothing else is measured on.

    Columns: the axes that are left; `method`; `chosen`, the label of its strength; `score`, and
    `off`, that less the reference's; `strengths`, how many there are; and the `numbers` by name.
    One row per method that has members.

    Attributes:
        axis: axis along which methods and strengths lie, one of those in `reduce`.
        methods: labels of that axis by method, its strengths.
        reference: method that the others are matched with, of one strength.
        score: statistic that is matched; its probe is one of `of`.
        numbers: statistics of the chosen members by name; their probes are of `of`.
    """

    axis: str
    methods: dict[str, tuple[str, ...]]
    reference: str
    score: Numbers
    numbers: dict[str, Numbers]

    def __post_init__(self) -> None:
        if len(self.methods.get(self.reference, ())) != 1:
            raise ValueError(
                f"reference must be a method of one strength, so that it has one score; got "
                f"{self.reference!r} of {', '.join(self.methods) or 'no methods'}"
            )
        for numbers in (self.score, *self.numbers.values()):
            check_alone(numbers)

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return a row for each method."""
        held = self._by_label(parts)
        scores = {
            label: statistic_of(self.score, own[self.score.probe or ""])
            for label, own in held.items()
            if self.score.probe in own
        }
        (wanted,) = self.methods[self.reference]
        if wanted not in scores:
            raise LookupError(f"no rows of {self.score.place} are there at {self.axis}={wanted}")
        level = scores[wanted]
        chosen = {
            method: min(there, key=lambda label: abs(scores[label] - level))
            for method, labels in self.methods.items()
            if (there := [label for label in labels if label in scores])
        }
        columns: dict[str, list[float]] = {
            "score": [scores[label] for label in chosen.values()],
            "off": [scores[label] - level for label in chosen.values()],
            "strengths": [float(len(self.methods[method])) for method in chosen],
        }
        for name, numbers in self.numbers.items():
            columns[name] = [self._number(numbers, held[own], own) for own in chosen.values()]
        tensors = {name: torch.tensor(own, dtype=torch.float64) for name, own in columns.items()}
        return {"method": list(chosen), "chosen": list(chosen.values()), **tensors}

    def _by_label(self, parts: Sequence[Part]) -> Mapping[str, Mapping[str, Part]]:
        """Return the members by their label of the axis, and by probe.

        Raises LookupError where two members of a probe share a label.
        """
        held: dict[str, dict[str, Part]] = {}
        for own in parts:
            label = str(own.at.get(self.axis))
            if held.setdefault(label, {}).setdefault(own.probe, own) is not own:
                raise LookupError(
                    f"probe {own.probe} has several members at {self.axis}={label}: choose one in "
                    "of by where"
                )
        return held

    def _number(self, numbers: Numbers, members: Mapping[str, Part], label: str) -> float:
        own = members.get(numbers.probe or "")
        if own is None:
            raise LookupError(f"no rows of {numbers.place} are there at {self.axis}={label}")
        return statistic_of(numbers, own)
