"""Derivations: samples that are made of others, adversarial, projected, noised, relabelled."""

from advcore.derived.derivation import Derivation, Made

__all__ = ["Derivation", "Made"]
