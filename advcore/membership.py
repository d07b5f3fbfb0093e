"""Membership inference: how much surer a network is of the samples that it was trained on."""

import math

import torch
from torch import Tensor

from advcore.checks import check_labels


def label_scores(logits: Tensor, labels: Tensor) -> Tensor:
    """Return `log p_y - log sum_{k != y} p_k` of logits `(B, K)` and labels `(B,)`, float64 `(B,)`.

    It orders samples as the confidence `p_y` and the cross-entropy do, and stays finite where these
    round to 1 and 0 (Carlini et al. 2022, Membership inference attacks from first principles).

    Raises ValueError for labels that are not whole numbers in [0, K), one of each row.
    """
    check_labels(labels, *logits.shape)
    logits = logits.double()
    own = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return own - others.logsumexp(1)


def likelihood_ratios(scores: Tensor, shadows: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Return LiRA's online and offline scores, `(N,)` each: larger for likelier members.

    `scores` `(N, V)` are the network's of V views of each sample, `shadows` `(S, N, V)` those of
    networks trained on other halves of the data, `inside` `(S, N)` which of these learnt it. Online
    it is the log-likelihood ratio of two normal distributions, of the shadows that learnt the
    sample and of those that did not, `log N(s; m_in, v_in) - log N(s; m_out, v_out)`; offline
    `(s - m_out) / sqrt(v_out)`, which orders as the published one-sided test `Pr[Z <= s]` of one
    view does. Both are means over views.

    The means are medians over shadows, of as many for each sample, the fewest that one has: a
    median of more scatters less, and samples that no shadow learnt would be told by that alone.
    Each side has one variance: that of its own scores about their medians, pooled over samples and
    views, for few shadows tell no sample's own. (The published code for few shadows takes the
    spread over samples too, and for both sides that of `in`.) NaN where a sample has no shadow of a
    side.

    Source: Carlini et al. 2022, algorithm 1 and section VI. Raises ValueError where a side has no
    two shadows of each sample that has one, or where all of its shadows give the same scores.
    """
    mean_in, variance_in = _side(shadows, inside, "that learnt it")
    mean_out, variance_out = _side(shadows, ~inside, "that did not")
    inner = (scores - mean_in).square() / variance_in + math.log(variance_in)
    outer = (scores - mean_out).square() / variance_out + math.log(variance_out)
    return (outer - inner).mean(1) / 2, (scores - mean_out).mean(1) / math.sqrt(variance_out)


def _side(shadows: Tensor, chosen: Tensor, which: str) -> tuple[Tensor, float]:
    """Return medians `(N, V)` over the chosen shadows, and the pooled variance about them."""
    counts = chosen.sum(0)
    fewest = int(counts[counts > 0].min()) if counts.any() else 0
    if fewest < 2:
        raise ValueError(
            f"likelihood ratios need two shadows {which} of each sample that has one; got "
            f"{fewest} of {len(shadows)}: train more, each on half of the samples"
        )
    kept = _as_many(chosen, fewest)
    values = shadows.double().masked_fill(~kept[:, :, None], torch.nan)
    median = values.nanquantile(0.5, dim=0)
    freedom = int((counts > 0).sum()) * (fewest - 1) * shadows.shape[2]
    variance = float((values - median).square().nansum()) / freedom
    if variance == 0:
        raise ValueError(
            f"likelihood ratios need shadows {which} whose scores differ; all {fewest} have the "
            "same of each sample, so no variance: train each from its own seed, on its own half"
        )
    return median, variance


def _as_many(chosen: Tensor, count: int) -> Tensor:
    """Return which `(S, N)` of the chosen shadows are left, `count` of each sample that has one.

    Neighbours begin at another shadow each, so that those who have more do not share theirs.
    """
    place = chosen.cumsum(0) - 1 + torch.arange(chosen.shape[1])
    return chosen & (place % chosen.sum(0).clamp(min=1) < count)
