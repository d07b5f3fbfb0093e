"""Scores of membership against closed forms and SciPy's normal distribution."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from advcore.membership import _as_many, label_scores, likelihood_ratios


def test_scores_are_the_logits_of_the_confidence_and_stay_finite():
    logits = torch.tensor([[1.0, 2.0, 0.5], [80.0, 0.0, -5.0], [0.0, 900.0, 1.0]])
    labels = torch.tensor([1, 0, 0])
    scores = label_scores(logits, labels)
    p = logits[0].double().softmax(0)[1]
    assert scores[0].item() == pytest.approx(torch.logit(p).item())
    assert scores[1].item() == pytest.approx(80 - np.log1p(np.exp(-5)))  # where p_y rounds to 1
    assert scores[2].item() == pytest.approx(-900)
    assert scores.dtype == torch.float64


def drawn(shadows=16, samples=40, views=3, seed=0):
    """Scores of which those of shadows that learnt a sample are larger, and spread less."""
    random = torch.Generator().manual_seed(seed)
    inside = torch.rand(shadows, samples, generator=random).argsort(0) < shadows // 2
    noise = torch.randn(shadows, samples, views, generator=random, dtype=torch.float64)
    own = torch.randn(samples, views, generator=random, dtype=torch.float64)
    hard = 5 * torch.randn(samples, 1, generator=random, dtype=torch.float64)
    scores = hard + torch.where(inside[..., None], 3 + 0.5 * noise, 2 * noise)
    return hard + own, scores, inside


def test_likelihood_ratios_are_those_of_a_loop_over_samples():
    own, shadows, inside = drawn()
    online, offline = likelihood_ratios(own, shadows, inside)
    sides = []
    for chosen in (inside, ~inside):
        medians = [np.median(shadows[chosen[:, i], i].numpy(), axis=0) for i in range(own.shape[0])]
        rest = [shadows[chosen[:, i], i].numpy() - medians[i] for i in range(own.shape[0])]
        squares = sum(float((one**2).sum()) for one in rest)
        sides.append(
            (np.array(medians), np.sqrt(squares / sum((len(one) - 1) * 3 for one in rest)))
        )
    (mean_in, spread_in), (mean_out, spread_out) = sides
    expected = norm.logpdf(own, mean_in, spread_in) - norm.logpdf(own, mean_out, spread_out)
    assert online.numpy() == pytest.approx(expected.mean(1))
    assert offline.numpy() == pytest.approx(((own.numpy() - mean_out) / spread_out).mean(1))


def test_each_side_has_the_variance_of_its_own_scores():
    """The shadows that did not learn a sample spread four times as far here."""
    own, shadows, inside = drawn(shadows=64, samples=200)
    medians = shadows.masked_fill(inside[..., None], torch.nan).nanquantile(0.5, dim=0)
    offline = likelihood_ratios(own, shadows, inside)[1]
    spread = ((own - medians).mean(1) / offline).numpy()
    assert spread == pytest.approx(2.0, rel=0.05)
    swapped = likelihood_ratios(own, shadows, ~inside)[1]
    inner = shadows.masked_fill(~inside[..., None], torch.nan).nanquantile(0.5, dim=0)
    assert ((own - inner).mean(1) / swapped).numpy() == pytest.approx(0.5, rel=0.05)


def test_a_sample_that_a_side_lacks_has_no_score():
    own, shadows, inside = drawn()
    inside[:, 3] = False
    online, offline = likelihood_ratios(own, shadows, inside)
    assert online.isnan().nonzero()[:, 0].tolist() == [3]
    assert not offline.isnan().any()


def test_too_few_shadows_are_refused():
    own, shadows, inside = drawn(shadows=2)
    with pytest.raises(ValueError, match=r"two shadows that learnt it of each .*; got 1 of 2"):
        likelihood_ratios(own, shadows, inside)
    with pytest.raises(ValueError, match=r"two shadows that learnt it of each .*; got 0 of 2"):
        likelihood_ratios(own, shadows, inside & False)


def test_shadows_that_are_one_network_are_refused():
    own, shadows, inside = drawn()
    same = shadows[:1].expand_as(shadows)
    with pytest.raises(ValueError, match=r"shadows that learnt it whose scores differ; all 8 have"):
        likelihood_ratios(own, same, inside)
    half = torch.where(inside[..., None], shadows, same)
    with pytest.raises(ValueError, match=r"shadows that did not whose scores differ; all 8 have"):
        likelihood_ratios(own, half, inside)


def test_samples_that_no_shadow_learnt_are_told_by_nothing():
    """Half of the samples lie in half of the shadows' sets and gain nothing by it, half in none."""
    random = torch.Generator().manual_seed(0)
    samples, shadows = 20_000, 4
    scores = torch.randn(shadows + 1, samples, 1, generator=random, dtype=torch.float64)
    inside = torch.rand(shadows, samples, generator=random).argsort(0) < 2
    inside[:, samples // 2 :] = False
    offline = likelihood_ratios(scores[0], scores[1:], inside)[1]
    drawn_in, never = offline.chunk(2)
    assert not drawn_in.isnan().any()
    assert drawn_in.var().item() == pytest.approx(never.var().item(), rel=0.05)
    threshold = never.quantile(0.99)
    assert (drawn_in > threshold).double().mean().item() == pytest.approx(0.01, abs=0.004)


def test_samples_that_have_more_shadows_do_not_share_them():
    kept = _as_many(torch.ones(4, 8, dtype=torch.bool), 2)
    assert kept.sum(0).tolist() == [2] * 8
    assert kept.sum(1).tolist() == [4] * 4


def test_labels_without_a_logit_are_refused():
    with pytest.raises(ValueError, match=r"labels must lie in 0..2 \(3 logits\); got 0..3"):
        label_scores(torch.zeros(2, 3), torch.tensor([0, 3]))
