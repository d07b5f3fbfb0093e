"""The parts of a recipe that work on pictures alone."""

from advcore.checks import check_pictures
from advcore.training.acet import ACET
from advcore.training.augmentation import Cutout, HorizontalFlip, RandomCrop
from advcore.training.augmix import AugMix
from advcore.training.jensen_shannon import JensenShannon
from advcore.training.prime import PRIME, Diffeomorphism, RandomColour, RandomFilter
from advcore.training.recipe import Recipe
from advcore.training.task_training import TaskTraining

OF_PICTURES = (
    RandomCrop,
    HorizontalFlip,
    Cutout,
    AugMix,
    PRIME,
    RandomFilter,
    RandomColour,
    Diffeomorphism,
)
"""The augmentations that need pictures."""


def check_inputs(recipe: Recipe, shape: tuple[int, ...]) -> None:
    """Raise ValueError where a recipe needs pictures, and inputs of this `shape` are none.

    Augmentations of one's own are let through: they may be made for such inputs.
    """
    for place, augmentation in enumerate(recipe.augmentation):
        if isinstance(augmentation, OF_PICTURES):
            check_pictures(shape, f"augmentation[{place}], {augmentation!r},")
    for name, term in recipe.objective.items():
        if isinstance(term, ACET):
            check_pictures(shape, f"objective.{name}, whose noise is made of images,")
        if isinstance(term, TaskTraining):
            term.task.check(shape)
        if isinstance(term, JensenShannon) and isinstance(term.augmentation, OF_PICTURES):
            check_pictures(shape, f"objective.{name}.augmentation, {term.augmentation!r},")
    if recipe.channels_last:
        check_pictures(shape, "channels_last")
