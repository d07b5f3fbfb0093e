"""Mean corruption error: how often networks err on corrupted images, beside a baseline."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from advcore.pipelines.tables.kinds import Part
from advcore.probes import Columns

Place = tuple[str, str]
"""A corruption and a severity, as labels."""


@dataclass(frozen=True)
class MeanCorruptionError:
    """The errors of networks over all corruptions and severities, sample by sample.

    A corruption's error E_c is the mean over its severities. The mean over samples of `mce` is
    ImageNet-C's `mean_c(E_c / E_c of the baseline)` (Hendrycks and Dietterich 2019, whose baseline
    is AlexNet; they print percent). A row is that and the sample's influence on it, the mean over c
    of `(E_ci - ratio_c E_ci of the baseline) / E_c of the baseline`: both networks see the same
    samples, so that the baseline's rows are 1. Their
    relative one, which divides by the baseline's loss of accuracy, is left out: that can be 0.

    Columns: the axes that are left; `method`, the label of `axis`; `sample`; `clean`, 1 where the
    clean image is given a wrong label; `error`, the share of its corrupted images that are, each
    corruption with the same weight; `relative`, error less clean; `mce`. One row per method and
    sample; the report shows means over samples.

    Attributes:
        corrupted: name of a probe `accuracy` on corrupted data, one of those in `of`.
        clean: name of a probe `accuracy` on the clean data, another of them.
        axis: axis along which the networks lie, one of those in `reduce`.
        baseline: label of the network on that axis whose errors are 1.
        corruption: axis of the corruptions, in `reduce`.
        severity: axis of the severities, in `reduce`.
    """

    corrupted: str
    clean: str
    axis: str
    baseline: str
    corruption: str = "corruption"
    severity: str = "severity"

    def shares(self, known: Collection[str]) -> tuple[str, ...]:
        """Return the columns of shares."""
        return ("clean", "error")

    def rows(self, parts: Sequence[Part]) -> Columns:
        """Return a row for each network and sample.

        Raises LookupError where a network lacks a corruption that another one has, or the baseline,
        and where it makes no error.
        """
        clean = {self._method(own): own for own in parts if own.probe == self.clean}
        corrupted: dict[str, dict[Place, Part]] = {}
        for own in parts:
            if own.probe == self.corrupted:
                place = str(own.at.get(self.corruption)), str(own.at.get(self.severity))
                corrupted.setdefault(self._method(own), {})[place] = own
        base = self._base(clean, corrupted)
        return _below([self._of(method, clean, corrupted[method], base) for method in corrupted])

    def _method(self, part: Part) -> str:
        return str(part.at.get(self.axis))

    def _base(
        self, clean: Mapping[str, Part], corrupted: Mapping[str, Mapping[Place, Part]]
    ) -> dict[str, Tensor]:
        """Return the baseline's errors by corruption, one for each sample."""
        if self.baseline not in corrupted:
            raise LookupError(
                f"the baseline {self.axis}={self.baseline} has no rows of probe {self.corrupted}; "
                f"there are {', '.join(corrupted) or 'none'}"
            )
        places = set(corrupted[self.baseline])
        for method, own in corrupted.items():
            if set(own) != places or method not in clean:
                odd = sorted(places ^ set(own)) or "clean images"
                raise LookupError(
                    f"{self.axis}={method} and the baseline {self.baseline} were not measured on "
                    f"the same images: {odd} are there once"
                )
            if not _same(clean[method].rows["sample"], clean[self.baseline].rows["sample"]):
                raise LookupError(
                    f"{self.axis}={method} and the baseline {self.baseline} were not measured on "
                    "the same samples"
                )
        base = _by_corruption(corrupted[self.baseline])
        for name, error in base.items():
            if not error.any():
                raise LookupError(
                    f"the baseline {self.baseline} makes no error at {self.corruption}={name}, by "
                    "which its mean corruption error divides: take more samples or another one"
                )
        return base

    def _of(
        self,
        method: str,
        clean: Mapping[str, Part],
        corrupted: Mapping[Place, Part],
        base: Mapping[str, Tensor],
    ) -> Columns:
        """Return the rows of one network."""
        samples = clean[method].rows["sample"]
        if any(not _same(own.rows["sample"], samples) for own in corrupted.values()):
            raise LookupError(
                f"probes {self.clean} and {self.corrupted} must be of the same samples"
            )
        errors = _by_corruption(corrupted)
        plain, error = _wrong(clean[method]), torch.stack(list(errors.values())).mean(0)
        ratios = torch.stack([_ratio(own, base[name]) for name, own in errors.items()])
        return {
            "method": [method] * len(plain),
            "sample": samples,
            "clean": plain,
            "error": error,
            "relative": error - plain,
            "mce": ratios.mean(0),
        }


def _ratio(errors: Tensor, base: Tensor) -> Tensor:
    """Return rows whose mean is the ratio of means, and whose spread is that of the ratio."""
    ratio = errors.mean() / base.mean()
    return ratio + (errors - ratio * base) / base.mean()


def _wrong(part: Part) -> Tensor:
    return 1 - torch.as_tensor(part.rows["correct"]).double()


def _by_corruption(members: Mapping[Place, Part]) -> dict[str, Tensor]:
    """Return each sample's errors by corruption, mean over severities."""
    errors: dict[str, list[Tensor]] = {}
    for (corruption, _), part in members.items():
        errors.setdefault(corruption, []).append(_wrong(part))
    return {name: torch.stack(own).mean(0) for name, own in errors.items()}


def _same(one: Tensor | list[str], other: Tensor | list[str]) -> bool:
    return torch.equal(torch.as_tensor(one), torch.as_tensor(other))


def _below(blocks: Sequence[Columns]) -> Columns:
    """Return blocks of rows, one below the other."""
    first = blocks[0]
    return {
        name: [word for own in blocks for word in own[name]]
        if isinstance(first[name], list)
        else torch.cat([torch.as_tensor(own[name]) for own in blocks])
        for name in first
    }
