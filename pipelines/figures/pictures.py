"""Pictures of some samples, with what several networks say of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from advcore.pipelines.claims import Numbers, Tables
from advcore.pipelines.claims.rows import Rows
from advcore.pipelines.figures.captions import Caption
from advcore.probes import Chart, Gallery, Panel
from advcore.randomness import drawn_places

Key = tuple[int, str]
"""A sample and the label of what lies below each other."""


@dataclass(frozen=True)
class PicturesOf:
    """The same samples below each other at each label of an axis, each with its captions.

    Samples are those that `of` counts, at all labels of `of.over`, the first ones drawn by a hash
    of their indices. With two labels the difference stands below, around 0.

    Attributes:
        says: title.
        of: pictures, the column `image` of a probe `pictures`; `of.over` names the axis whose
            labels lie below each other, the data sets say.
        captions: numbers or words below each picture, by the word before them: the predictions of
            several networks. The `where` of `of` holds for them too, as far as they have its
            columns and their own `where` says nothing else of them.
        count: number of samples that are drawn, at most.
        lacking: label of the pictures that lack the axis, those of the data set as it is beside its
            corruptions say.
    """

    says: str
    of: Numbers
    captions: dict[str, Caption] = field(default_factory=dict)
    count: int = 8
    lacking: str = ""

    def __post_init__(self) -> None:
        if self.of.over is None or self.count < 1:
            raise ValueError(
                "pictures lie below each other over an axis, at least one of each: give of.over "
                f"and count; got {self.of.over!r} and {self.count}"
            )

    @property
    def axes(self) -> tuple[str, ...]:
        """The name of what lies below each other."""
        return (str(self.of.over),)

    @property
    def beside(self) -> dict[str, Caption]:
        """The captions."""
        return {f"captions.{word}": own for word, own in self.captions.items()}

    def chart(self, name: str, series: Mapping[str, "PicturesOf"], tables: Tables) -> Chart:
        """Return the pictures. Raises LookupError where tables lack them, or their captions."""
        rows, row_labels, counts = list[list[Panel]](), list[str](), list[str]()
        for told, own in series.items():
            panels, there = own._rows(tables)
            rows += panels.values()
            row_labels += [f"{label or own.lacking} {told}".strip() for label in panels]
            counts.append(f"{len(next(iter(panels.values())))} of {there}")
        widest = max(map(len, rows))
        return Gallery(
            name=name,
            title=self.says,
            rows=rows,
            row_labels=row_labels,
            column_labels=[""] * widest,
            note=f"{', '.join(counts)} samples, drawn by a hash.",
        )

    def _rows(self, tables: Tables) -> tuple[dict[str, list[Panel]], int]:
        """Return the pictures at each label, and the number of samples that there are."""
        found = self.of.rows(tables)
        images = found(self.of.column)
        if images.ndim != 4:
            raise LookupError(
                f"column {self.of.column} of {found.place} must hold pictures (C, H, W); take that "
                "of a probe pictures"
            )
        places = self._places(found)
        labels = list(dict.fromkeys(found(str(self.of.over)).tolist()))
        samples = [
            own
            for own in np.unique(found("sample")).tolist()
            if all((own, label) in places for label in labels)
        ]
        if not samples:
            raise LookupError(f"no sample of {found.place} has a picture at each {self.of.over}")
        order = drawn_places(torch.tensor(samples)).argsort().tolist()[: self.count]
        captions = {word: self._said(own, places, tables) for word, own in self.captions.items()}

        def panel(sample: int, label: str) -> Panel:
            told = [f"{word} {said[sample, label]}" for word, said in captions.items()]
            image = torch.as_tensor(images[places[sample, label]])
            return Panel(image, "\n".join([f"sample {sample}", *told]))

        drawn = {label: [panel(samples[i], label) for i in order] for label in labels}
        if len(labels) == 2:
            drawn["difference"] = [_difference(*pair) for pair in zip(*drawn.values(), strict=True)]
        return drawn, len(samples)

    def _said(self, caption: Caption, wanted: Iterable[Key], tables: Tables) -> dict[Key, str]:
        """Return the texts of a caption, at least those that are wanted."""
        rows, said = caption.said(self.of.where, tables)
        places = self._places(rows)
        for sample, label in wanted:
            if (sample, label) not in places:
                raise LookupError(f"{rows.place} has no row of sample {sample} at {label}")
        return {key: said[place] for key, place in places.items()}

    def _places(self, rows: Rows) -> dict[Key, int]:
        """Return each sample's place at each label. Raises LookupError where it has several."""
        keys = list(zip(rows("sample").tolist(), rows(str(self.of.over)).tolist(), strict=True))
        places = {key: place for place, key in enumerate(keys)}
        if len(places) < len(keys):
            raise LookupError(
                f"{rows.place} has several rows of a sample at one {self.of.over}: choose by where"
            )
        return places


def _difference(first: Panel, second: Panel) -> Panel:
    change = second.image - first.image
    return Panel(change, f"up to {change.abs().max():.3g}", signed=True)
