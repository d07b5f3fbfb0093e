"""The images of a budget attack that are trained on, or that an epoch is judged by."""

from torch import Tensor

from advcore.attacks.attack import Attack, Climber
from advcore.classifier import Classifier
from advcore.criteria import Criterion
from advcore.randomness import Randomness


def climbed(
    attack: Attack,
    classifier: Classifier,
    images: Tensor,
    criterion: Criterion,
    randomness: Randomness,
) -> Tensor:
    """Return where an attack ends on each sample, `(B, *shape)`; call it under `frozen`.

    One that can climb makes all its steps, also where the criterion holds before or on the way; of
    another one it is what it hands back: clean where the criterion held before, the last try where
    none is found.
    """
    if isinstance(attack, Climber):
        return attack.climb(classifier, images, criterion, randomness).images
    return attack(classifier, images, criterion, randomness).images
