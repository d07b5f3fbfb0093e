"""The attack on the confidence, and what is made with it, where the maximum is known."""

import oracles
import pytest
import torch

from advcore.box import needs_box
from advcore.confidence_attack import ConfidenceAttack, confidences
from advcore.criteria import Untargeted
from advcore.derived import Overconfident
from advcore.norms import norm_by_name
from advcore.objectives import log_confidence, wrong_confidence
from advcore.probes import Batch
from advcore.randomness import Randomness

COUNT, SHAPE = 12, (1, 4, 4)
IMAGES, LABELS = oracles.images(COUNT), torch.arange(COUNT) % 4
TWO = oracles.Affine(2, SHAPE, scale=2.0)
"""Two classes: the confidence rises along w_0 - w_1, or against it."""


def towards(network, label):
    return (network.weight[label] - network.weight[1 - label]).view(SHAPE)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_wrong_confidence_of_two_affine_logits_reaches_the_end_of_the_ball(norm):
    labels = LABELS % 2
    attack = ConfidenceAttack(0.3, norm, steps=20, restarts=1, relative_step=0.2, box=False)
    found = attack(TWO, IMAGES, labels)
    way = torch.stack([towards(TWO, 1 - int(label)) for label in labels])
    unit = way.sign() if norm == "linf" else way / way.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    torch.testing.assert_close(found, IMAGES + 0.3 * unit)


def test_without_labels_it_is_the_better_of_both_classes():
    found = ConfidenceAttack(0.3, steps=30, restarts=9, relative_step=0.2)(TWO, IMAGES)
    ends = [(IMAGES + 0.3 * towards(TWO, k).sign()).clamp(0, 1) for k in range(2)]
    best = torch.stack([log_confidence(TWO(end)) for end in ends]).amax(0)
    torch.testing.assert_close(log_confidence(TWO(found)), best)


class Detour(torch.nn.Module):
    """Three classes of x: the second wins at .2 with .4; at .5 it has .4625, the first .5275."""

    def forward(self, inputs):
        x = inputs.flatten(1)[:, :1]
        p = 0.2 + x.clamp(max=0.25) + 0.05 * (x - 0.25).clamp(min=0)
        label = torch.where((x - 0.2).abs() < 0.05, 0.3, 0.99 - p)
        return torch.cat([label, p, 1 - label - p], 1).log()


def test_an_iterate_that_is_labelled_wrong_goes_before_a_surer_one_that_is_not():
    inputs, labels = torch.zeros(1, 1, 1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.long)
    network = Detour()
    attack = ConfidenceAttack(0.5, steps=5, restarts=1, relative_step=0.2, momentum=0.0)
    found = attack(network, inputs, labels)
    assert float(found) == pytest.approx(0.2)
    assert int(network(found).argmax()) == 1
    surer = network(inputs + 0.5)
    assert int(surer.argmax()) == 0
    assert surer[0, 1] > network(found)[0, 1]


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("labels", [None, LABELS])
def test_it_stays_inside_and_never_falls(norm, labels):
    network = oracles.softplus()
    attack = ConfidenceAttack(0.2, norm, steps=4)
    found = attack(network, IMAGES, labels)
    assert ((found >= 0) & (found <= 1)).all()
    assert (norm_by_name(norm).size(found - IMAGES) <= 0.2 + 1e-9).all()

    def value(inputs):
        if labels is None:
            return log_confidence(network(inputs))
        return wrong_confidence(network(inputs), Untargeted(labels))

    before, after = value(IMAGES), value(found)
    assert (after > before).all()
    more = ConfidenceAttack(0.2, norm, steps=4, restarts=5)(network, IMAGES, labels)
    assert (value(more) >= after).all()
    torch.testing.assert_close(
        attack(
            network,
            IMAGES[3:],
            labels if labels is None else labels[3:],
            Randomness(0, torch.arange(3, COUNT)),
        ),
        found[3:],
    )


def test_objectives_are_logarithms_of_the_confidences():
    logits = torch.randn(6, 4, dtype=torch.float64)
    torch.testing.assert_close(log_confidence(logits), logits.softmax(1).amax(1).log())
    wrong = logits.softmax(1).scatter(1, LABELS[:6, None], 0).amax(1).log()
    torch.testing.assert_close(wrong_confidence(logits, Untargeted(LABELS[:6])), wrong)


def test_a_sure_network_still_has_a_gradient():
    """In float32 the softmax is 1, its logarithm 0; the attack climbs all the same."""
    sure = oracles.Affine(2, SHAPE, scale=2.0)
    with torch.no_grad():
        sure.bias[0] += 25
    images = IMAGES.float()
    found = ConfidenceAttack(0.1, steps=30, restarts=1)(sure.float(), images)
    expected = (images + 0.1 * towards(sure, 0).sign()).clamp(0, 1)
    torch.testing.assert_close(found, expected.detach())


@pytest.mark.parametrize("classes", ["any", "wrong"])
def test_overconfident_samples_keep_their_labels_and_tell_their_confidence(classes):
    network, attack = oracles.softplus(), ConfidenceAttack(0.2, steps=3)
    batch = Batch(IMAGES, LABELS, torch.arange(COUNT))
    made = Overconfident(attack, classes).make(network, batch, Randomness(0, batch.indices))
    expected = attack(network, IMAGES, LABELS if classes == "wrong" else None)
    torch.testing.assert_close(made.inputs, expected, atol=1e-6, rtol=0)
    assert torch.equal(made.labels, LABELS)
    torch.testing.assert_close(made.columns["confidence"], network(made.inputs).softmax(1).amax(1))
    torch.testing.assert_close(made.columns["before"], confidences(network, IMAGES)[0])
    assert (made.columns["distance"] <= 0.2 + 1e-6).all()
    assert needs_box(Overconfident(attack))
    assert not needs_box(Overconfident(ConfidenceAttack(0.2, box=False)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"eps": -1.0}, "eps must not be negative"),
        ({"norm": "l1"}, "norm must be one of l2, linf; got 'l1'"),
        ({"steps": 0}, "steps and restarts must be at least 1; got 0 and 3"),
        ({"relative_step": 0.0}, "relative_step must lie in"),
        ({"momentum": 1.0}, "momentum in"),
    ],
)
def test_what_cannot_be_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        ConfidenceAttack(**{"eps": 0.1, **settings})


def test_inputs_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="labels"):
        ConfidenceAttack(0.1)(TWO, IMAGES, LABELS)  # four classes of two
    with pytest.raises(ValueError, match="K >= 2"):
        ConfidenceAttack(0.1)(oracles.Constant(1.0), IMAGES)
    with pytest.raises(ValueError, match=r"classes must be any or wrong; got 'all'"):
        Overconfident(ConfidenceAttack(0.1), "all")
    with pytest.raises(ValueError, match="two classes"):
        Overconfident(ConfidenceAttack(0.1)).validate(SHAPE, 1)
