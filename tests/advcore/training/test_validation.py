import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore.attacks import PGD
from advcore.training import Validation

IMAGES = oracles.images(40, dtype=torch.float32)
CLASSIFIER = oracles.Affine(2, dtype=torch.float32)
LABELS = (CLASSIFIER(IMAGES).argmax(1) + (torch.arange(40) < 10)) % 2
"""A quarter of them is wrong."""


def _history(*values, name="validation/robust_accuracy"):
    return [{name: value} for value in values]


def test_clean_and_robust_numbers_of_an_affine_classifier_are_its_closed_forms():
    eps, validation = 0.08, Validation(attack=PGD(eps=0.08, steps=5, box=False))
    logits = CLASSIFIER(IMAGES).detach()
    gap = logits.gather(1, LABELS[:, None])[:, 0] - logits.gather(1, 1 - LABELS[:, None])[:, 0]
    lost = gap - eps * (CLASSIFIER.weight[0] - CLASSIFIER.weight[1]).detach().abs().sum()
    robust = (CLASSIFIER.margins(IMAGES, "linf")[10:] > eps).sum().item() / 40
    assert 0.1 < robust < 0.65
    expected = {
        "validation/accuracy": 0.75,
        "validation/loss": F.softplus(-gap).mean().item(),
        "validation/robust_accuracy": robust,
        "validation/robust_loss": F.softplus(-lost).mean().item(),
    }
    assert validation.measure(CLASSIFIER, IMAGES, LABELS) == pytest.approx(expected, rel=1e-4)
    clean = Validation().measure(CLASSIFIER, IMAGES, LABELS)
    assert clean == {
        name: pytest.approx(expected[name], rel=1e-4)
        for name in ("validation/accuracy", "validation/loss")
    }


def test_the_batches_do_not_matter():
    validation = Validation(attack=PGD(eps=0.1, steps=3))
    whole = validation.measure(CLASSIFIER, IMAGES, LABELS)
    assert validation.measure(CLASSIFIER, IMAGES, LABELS, size=7) == pytest.approx(whole, rel=1e-5)


def test_the_best_epoch_is_the_first_of_the_highest():
    validation = Validation(attack=PGD(eps=0.1))
    assert validation.best(_history(0.1, 0.4, 0.3, 0.4)) == 2
    assert validation.best([]) == 0
    assert Validation().best(_history(0.1, 0.2, name="validation/accuracy")) == 2


def test_patience():
    validation = Validation(attack=PGD(eps=0.1), patience=2)
    assert [validation.stops(_history(*[0.3, 0.4, 0.1, 0.2][:count])) for count in range(5)] == [
        False
    ] * 4 + [True]
    assert not Validation(attack=PGD(eps=0.1)).stops(_history(0.4, *[0.1] * 50))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (
            {"samples": 0},
            "samples must be a number of samples, 1 or more, or a share between 0.0 and 1.0; got 0",
        ),
        (
            {"samples": 1.0},
            (
                "samples must be a number of samples, 1 or more, or a share between 0.0 and "
                "1.0; got 1.0"
            ),
        ),
        ({"attack": PGD()}, "the attack needs eps, a radius in pixel units"),
        ({"patience": 0}, "patience must be at least 1 epoch, or None to train to the end; got 0"),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        Validation(**settings)
