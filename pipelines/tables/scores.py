"""Scores of several probes in one column, sample by sample."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from advcore.pipelines.claims import Numbers
from advcore.pipelines.claims.measuring import one_position
from advcore.pipelines.tables.kinds import Part
from advcore.pipelines.tables.spread import check_alone
from advcore.probes import Columns


@dataclass(frozen=True)
class Scores:
    """Numbers that several probes have of the same networks, in one column, sample by sample.

    So that one claim, or one figure, is about all of them, the axis of the probes stays:
    `of: {each: [robust, corrupted], as: score}`. Several members of a probe, those of several
    corruptions say, must be of the same samples, whose mean is taken.

    Columns: the axes that are left; `sample`; `value`. One row per sample; the report shows means
    over samples.

    Attributes:
        numbers: number of each sample, one for each probe in `of`.
        from_one: probes whose numbers are subtracted from 1, as those of which less is better.
    """

    numbers: tuple[Numbers, ...]
    from_one: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        probes = [own.probe for own in self.numbers]
        if not probes or None in probes or len(set(probes)) < len(probes):
            raise ValueError(
                f"numbers must be of one or more probes, of each once; got {probes or 'none'}"
            )
        if unknown := set(self.from_one) - set(probes):
            raise ValueError(f"from_one names {', '.join(unknown)}, of which there are no numbers")
        for own in self.numbers:
            check_alone(own)

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return a row for each sample.

        Raises LookupError where the members are of several probes, of a probe without numbers, or
        not of the same samples.
        """
        probe = parts[0].probe
        if any(own.probe != probe for own in parts):
            raise LookupError("members are of several probes: leave their axis out of reduce")
        numbers = next((own for own in self.numbers if own.probe == probe), None)
        if numbers is None:
            raise LookupError(f"there are no numbers of probe {probe}: name its column")
        samples, values = zip(*(_by_sample(numbers, own) for own in parts), strict=True)
        if any(not np.array_equal(own, samples[0]) for own in samples):
            raise LookupError(f"members of probe {probe} are not of the same samples")
        mean = np.mean(values, axis=0)
        return {
            "sample": torch.from_numpy(samples[0].astype(np.int64)),
            "value": torch.from_numpy(1 - mean if probe in self.from_one else mean),
        }


def _by_sample(numbers: Numbers, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples of a member and their numbers, `(samples,)` each."""
    tables = {part.probe: {"": part.rows}}
    grid = numbers.grid(tables)
    one_position("score of a sample", numbers, grid)
    return np.unique(numbers.rows(tables)("sample")), grid.values[0, 0]
