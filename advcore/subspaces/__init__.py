"""Subspaces of image space, families of them, a classifier restricted to one.

A subspace has `coordinates`, `lift` and `dim`.
"""

from advcore.directions import check_leading, leading_directions
from advcore.subspaces.colour import Coloured, OneColour
from advcore.subspaces.complements import Complement, Complements, complement
from advcore.subspaces.dct import DCTBlock, DCTBlocks, DCTDiagonal, DCTGrid, dct_blocks, dct_grid
from advcore.subspaces.fitted import (
    Fitted,
    check_directions,
    check_family,
    number_of_directions,
)
from advcore.subspaces.members import Grouped, Members
from advcore.subspaces.random import RandomSubspaces, median_projection, random_spans
from advcore.subspaces.single_places import SinglePlace, SinglePlaces
from advcore.subspaces.spans import Span, principal_components, span
from advcore.subspaces.subspace import Family, FamilySpec, Restricted, Subspace

FAMILIES: dict[str, type] = {
    "dct": DCTDiagonal,
    "dct_grid": DCTGrid,
    "random": RandomSubspaces,
    "one_colour": OneColour,
    "complement": Complements,
    "fitted": Fitted,
    "single_places": SinglePlaces,
}
"""The families that a study can name by `kind`."""

__all__ = [
    "FAMILIES",
    "Coloured",
    "Complement",
    "Complements",
    "DCTBlock",
    "DCTBlocks",
    "DCTDiagonal",
    "DCTGrid",
    "Family",
    "FamilySpec",
    "Fitted",
    "Grouped",
    "Members",
    "OneColour",
    "RandomSubspaces",
    "Restricted",
    "SinglePlace",
    "SinglePlaces",
    "Span",
    "Subspace",
    "check_directions",
    "check_family",
    "check_leading",
    "complement",
    "dct_blocks",
    "dct_grid",
    "leading_directions",
    "median_projection",
    "number_of_directions",
    "principal_components",
    "random_spans",
    "span",
]
