"""Samples of derived data sets as pictures, beside those that they come of."""

from collections.abc import Sequence

import numpy as np

from advcore.pipelines.graph.layout import DerivedData, Layout
from advcore.probes import Gallery, Panel
from advcore.workers.datasets import Dataset
from advcore.workers.datasets.batches import images_of

MOST_PICTURES, MOST_MEMBERS = 8, 4
"""The largest numbers of samples and of members of a family in a gallery."""

Panels = list[Panel]


def data_gallery(
    family: str,
    layout: Layout,
    members: Sequence[DerivedData],
    datasets: dict[str, Dataset],
) -> Gallery | None:
    """Return the same samples of each member of a family below the roots that they come of.

    A single member is followed by what changed, around 0. None is returned for inputs that are no
    pictures, and where neither pictures nor labels differ from the roots'.
    """
    first = datasets[members[0].label]
    if len(first.shape) != 3 or first.shape[0] not in (1, 3):
        return None
    shown = [own for own in members if _alike(own, members[0], datasets)][:MOST_MEMBERS]
    rows_shown = np.unique(np.linspace(0, len(first) - 1, MOST_PICTURES).round().astype(int))
    made = [_panels(datasets[own.label], rows_shown) for own in shown]
    before = _roots(members[0], layout, datasets, rows_shown)
    if before and all(_same(before, own) for own in made):
        return None
    rows, labels = [before] if before else [], [members[0].root] if before else []
    rows += made
    labels += [own.label for own in shown]
    if before and len(made) == 1:
        changes = _changes(before, made[0])
        rows += [changes] if changes else []
        labels += ["difference"] if changes else []
    note = "Below each picture its label"
    note += ", below a difference its largest value." if labels[-1] == "difference" else "."
    if len(shown) < len(members):
        note += f" {len(shown)} of {len(members)} data sets."
    columns = [f"sample {index}" for index in first.indices[rows_shown]]
    title = f"{family}: {origins(layout, shown)}"
    return Gallery(family, title, rows, labels, columns, note)


def origins(layout: Layout, members: Sequence[DerivedData]) -> str:
    """Say where the members of a family come from, each origin once, of many the first three."""
    found = list(dict.fromkeys(layout.origin(own.label) for own in members))
    more = [f"and {len(found) - 3} more"] if len(found) > 3 else []
    return "; ".join([*found[:3], *more])


def root_rows(dataset: Dataset, root: Dataset) -> np.ndarray | None:
    """Return where the root of each sample stands in `root`; None where some are not there."""
    order = np.argsort(root.indices, kind="stable")
    places = np.searchsorted(root.indices, dataset.indices, sorter=order)
    rows = order[places.clip(max=len(root) - 1)]
    return rows if np.array_equal(root.indices[rows], dataset.indices) else None


def _alike(own: DerivedData, first: DerivedData, datasets: dict[str, Dataset]) -> bool:
    """Return whether two members hold the same samples of the same root, in pictures of a shape."""
    mine, other = datasets[own.label], datasets[first.label]
    same = np.array_equal(mine.indices, other.indices) and mine.shape == other.shape
    return same and own.root == first.root


def _roots(
    own: DerivedData, layout: Layout, datasets: dict[str, Dataset], rows: np.ndarray
) -> Panels:
    """Return the roots of some samples; none where there is no one data set that holds them."""
    if own.root == own.label or own.root not in datasets:
        return []
    root = datasets[own.root]
    found = root_rows(datasets[own.label].chosen(rows), root)
    drawable = len(root.shape) == 3 and root.shape[0] in (1, 3)
    return [] if found is None or not drawable else _panels(root, found)


def _panels(dataset: Dataset, rows: np.ndarray) -> Panels:
    images = images_of(dataset, rows)
    words = [dataset.names[label] for label in dataset.labels[rows]]
    return [Panel(image, word[:18]) for image, word in zip(images, words, strict=True)]


def _same(before: Panels, after: Panels) -> bool:
    return all(
        one.caption == other.caption and one.image.equal(other.image)
        for one, other in zip(before, after, strict=True)
    )


def _changes(before: Panels, after: Panels) -> Panels:
    """Return the differences of pictures; none where their shapes differ, or nothing changed."""
    if before[0].image.shape != after[0].image.shape:
        return []
    found = [other.image - one.image for one, other in zip(before, after, strict=True)]
    if not any(change.any() for change in found):
        return []
    return [Panel(change, f"up to {change.abs().max():.3g}", signed=True) for change in found]
