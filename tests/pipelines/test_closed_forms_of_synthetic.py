"""What the trainings of the study `synthetic` must come to, in closed form or by another solver."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from advcore import Randomness
from advcore.laws import StrongAndWeak, TwoGaussians
from advcore.networks import averaging, perceptron
from advcore.pipelines.graph.settings import read_study
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.documents import put
from advcore.pipelines.settings.shipped import read_document
from advcore.training import Recipe, fit

STUDY = read_study("synthetic")
MORE = ((0.0, 4), (0.5, 1), (0.5, 4), (0.5, 16), (1.5, 1), (1.5, 16))
"""Further eps and numbers of samples."""


def recipe(model, **changes):
    """The recipe of a model of the study, with changes by dotted name."""
    own = {**STUDY.models[model]["recipe"]["set"], **changes}
    values = {f"recipe.{name}": value for name, value in own.items()}
    document = put(read_document("linear", "recipes"), values, "set")
    return schema.structure(Recipe, document["recipe"])


def drawn(law, count, seed):
    return law.draw(Randomness(seed, torch.arange(count)).stream("law", "train"))


def trained(recipe, inputs, labels):
    """The weights w of a linear classifier whose margin is `y <w, x>`, y -1 or 1."""
    torch.manual_seed(0)
    network = perceptron(2, inputs.shape[1], 1, depth=0, bias=False)
    for _ in fit(network, inputs, labels, recipe, box=False):
        pass
    below, above = network[-1].weight.detach().double()
    return above - below


@pytest.mark.parametrize(
    ("eps", "n"),
    [(1.5, 4), *(pytest.param(*own, marks=pytest.mark.slow) for own in MORE)],
)
def test_the_linear_loss_ends_at_the_clipped_signs_of_the_mean(eps, n):
    law = TwoGaussians(400)
    inputs, labels = drawn(law, n, seed=1)
    own = recipe("learnt", **{"objective.adversarial.attack.eps": eps})
    limit = 2 * own.weight_clip
    assert limit * law.features == 1
    weight = trained(own, inputs, labels)
    mean = ((2 * labels - 1)[:, None] * inputs).double().mean(0)
    exact = limit * mean.sign() * (mean.abs() > eps)
    settled = (mean.abs() - eps).abs() > 0.1
    assert settled.double().mean() > 0.5
    torch.testing.assert_close(weight[settled], exact[settled], rtol=0, atol=0.1 * limit)
    spread = 1 / math.sqrt(n)
    expected = above(eps, 1, spread) - above(eps, -1, spread)
    # four standard errors of a mean of 400 numbers 0 and 1, and what has not settled
    error = 4 * math.sqrt(expected * (1 - expected) / law.features) + 0.02
    assert weight.sum().item() == pytest.approx(expected, abs=error)


def above(eps, mean, spread):
    """P(u > eps) of u ~ N(mean, spread^2)."""
    return 0.5 * math.erfc((eps - mean) / spread / math.sqrt(2))


@pytest.mark.parametrize(
    ("norm", "eps"),
    [
        ("linf", 0.1),
        ("l2", 0.3),
        *(pytest.param("linf", eps, marks=pytest.mark.slow) for eps in (0.0, 0.25)),
    ],
)
def test_adversarial_training_of_a_linear_classifier_reaches_the_convex_optimum(norm, eps):
    """Eq. 14 is then `min_w mean log(1 + exp(-(y <w, x> - eps ||w||_*)))`, dual norms l1 and l2."""
    inputs, labels = drawn(StrongAndWeak(10, eta=0.3, strong=0.8), 1000, seed=2)
    attack = {"objective.adversarial.attack.eps": eps, "objective.adversarial.attack.norm": norm}
    weight = trained(recipe("robust", **attack), inputs, labels).numpy()
    own = ((2 * labels - 1)[:, None] * inputs).double().numpy()

    def loss(w):
        size = np.abs(w).sum() if norm == "linf" else np.linalg.norm(w)
        return np.logaddexp(0, -(own @ w - eps * size)).mean()

    def split(parts):  # w = p - q, p and q not negative: smooth also where w is 0
        p, q = np.split(parts, 2)
        w = p - q
        length = max(np.linalg.norm(w), 1e-12)
        size = parts.sum() if norm == "linf" else length
        slopes = -1 / (1 + np.exp(own @ w - eps * size)) / len(own)
        growth = np.ones_like(w) if norm == "linf" else w / length
        along, mirrored = slopes @ own, growth if norm == "linf" else -growth
        total = -eps * slopes.sum()
        value = np.logaddexp(0, -(own @ w - eps * size)).mean()
        return value, np.concatenate([along + total * growth, -along + total * mirrored])

    start = np.full(2 * len(weight), 0.01)
    start[: len(weight)] = 0.02
    options = {"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-10}
    bounds = [(0, None)] * len(start)
    best = minimize(split, start, jac=True, bounds=bounds, method="L-BFGS-B", options=options)
    optimum = loss(np.subtract(*np.split(best.x, 2)))
    assert optimum < math.log(2) - 0.01
    assert loss(weight) == pytest.approx(optimum, abs=1e-3)
    assert loss(weight) >= optimum - 1e-9


def test_the_mean_of_features_is_what_averaging_tells():
    inputs = torch.randn(5, 101, generator=torch.Generator().manual_seed(0))
    for own, mean in (({"first": 1}, inputs[:, 1:].mean(1)), ({"last": 1}, inputs[:, 0])):
        logits = averaging(2, 101, **own)(inputs)
        torch.testing.assert_close(logits[:, 1] - logits[:, 0], mean)
