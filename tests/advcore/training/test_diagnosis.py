"""Each number of a diagnosis against its closed form on affine classifiers, whose gradients are the
same everywhere.
"""

import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore.randomness import Randomness
from advcore.training import Diagnosis

IMAGES = oracles.images(40)
SOURCE = Randomness(0, torch.arange(40))
AFFINE = oracles.Affine(2)
LABELS = AFFINE(IMAGES).argmax(1)


def _numbers(classifier, labels, **settings):
    return Diagnosis(**settings)(classifier, IMAGES, labels, SOURCE)


def test_robust_accuracy_of_an_affine_classifier_is_exact():
    """Without the box one step is the best there is: PGD finds no more than FGSM, and both what the
    margins say.
    """
    distance = AFFINE.margins(IMAGES)
    eps = distance.median().item() * 1.001
    numbers = Diagnosis(eps, "l2", box=False)(AFFINE, IMAGES, LABELS, SOURCE)
    assert numbers["accuracy"] == 1
    assert (
        numbers["fgsm_accuracy"]
        == numbers["pgd_accuracy"]
        == (distance > eps).double().mean().item()
    )
    assert numbers["gradient_cosine"] == pytest.approx(1)
    assert numbers["fgsm_pgd_cosine"] == pytest.approx(1)


def test_margins_are_those_of_the_blocks():
    numbers = _numbers(AFFINE, LABELS, eps=0.1, few=11)
    for band, low in zip(("low", "middle", "high"), range(3), strict=True):
        expected = (
            1.02 * AFFINE.margins(IMAGES[:11], basis=oracles.dct_basis(4, low, 1)).median().item()
        )
        assert numbers[f"margin/{band}"] == pytest.approx(expected, rel=1e-9)


def test_the_top_eigenvalue_is_that_of_the_dense_hessian():
    network = oracles.softplus()
    labels = network(IMAGES).argmax(1)
    tops = []
    for image, label in zip(IMAGES[:5], labels[:5], strict=True):
        hessian = torch.autograd.functional.hessian(
            lambda x, y=label: F.cross_entropy(network(x[None]), y[None]), image
        )
        tops.append(torch.linalg.eigvalsh(hessian.view(16, 16))[-1])
    top = torch.stack(tops).mean().item()
    assert _numbers(network, labels, eps=0.1, few=5)["top_eigenvalue"] == pytest.approx(
        top, rel=1e-3
    )


def test_samples_without_a_gradient_do_not_count():
    numbers = _numbers(oracles.Constant(0.0, 0.0, 0.0), torch.zeros(40, dtype=torch.int64), eps=0.1)
    assert numbers["gradient_cosine"] != numbers["gradient_cosine"]  # NaN: there are none
    assert numbers["margin/low"] == torch.inf
    assert numbers["top_eigenvalue"] == 0


def test_a_rectangle_has_no_diagonal():
    images = torch.rand(6, 1, 2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    affine = oracles.Affine(2, shape=(1, 2, 8))
    numbers = Diagnosis(0.1)(affine, images, affine(images).argmax(1), SOURCE.take(torch.arange(6)))
    assert not [name for name in numbers if name.startswith("margin")]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"eps": 0.0}, r"eps must be a positive radius in pixel units; got 0.0"),
        ({"eps": 0.1, "steps": 0}, "steps must be at least 1; got 0"),
        ({"eps": 0.1, "samples": 0}, "samples must be at least 1; got 0"),
        ({"eps": 0.1, "norm": "l3"}, "norm"),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        Diagnosis(**settings)
