"""Subspaces of image space: `coordinates`, `lift`, `dim`; families of them; a classifier restricted to one."""

from advcore.subspaces.dct import DCTBlock, DCTBlocks, DCTDiagonal, dct_blocks
from advcore.subspaces.subspace import Family, FamilySpec, Restricted, Subspace

FAMILIES: dict[str, type] = {"dct": DCTDiagonal}
"""The families that a study can name by `kind`."""

__all__ = ["FAMILIES", "DCTBlock", "DCTBlocks", "DCTDiagonal", "Family", "FamilySpec", "Restricted", "Subspace", "dct_blocks"]
