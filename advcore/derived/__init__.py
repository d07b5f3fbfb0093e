"""Derivations: samples that are made of others, adversarial, projected, noised, relabelled."""

from advcore.derived.derivation import Derivation, Made

DERIVATIONS: dict[str, type] = {}
"""The derivations that a study can name by `kind`."""

__all__ = ["DERIVATIONS", "Derivation", "Made"]
