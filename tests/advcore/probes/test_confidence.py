"""Probes of confidence against scikit-learn, and of rejection against its definition."""

import oracles
import pytest
import torch
from sklearn import metrics

from advcore.confidence_attack import ConfidenceAttack
from advcore.learnt import Learnt
from advcore.probes import Batch, Confidence, Rejection, Table
from advcore.randomness import Randomness
from advcore.separation import auroc

COUNT = 60
IMAGES, LABELS = oracles.images(COUNT), torch.arange(COUNT) % 4
NETWORK = oracles.relu()
BATCH = Batch(IMAGES, LABELS, torch.arange(COUNT))
NOISE = Randomness(0, BATCH.indices)
TWO = Learnt("t", "key", {"temperature": torch.tensor(2.0, dtype=torch.float64)})


def threshold(value):
    tensors = {"threshold": value, "asked": 0.95}
    own = {name: torch.tensor(number, dtype=torch.float64) for name, number in tensors.items()}
    return Learnt("tau", "key", own)


def test_rows_are_scikit_learns_scores():
    probe = Confidence(TWO)
    table = probe.measure(NETWORK, BATCH, NOISE)
    summary = probe.summarise(table)
    for prefix, factor in (("", 1), ("scaled_", 2)):
        p = (NETWORK(IMAGES) / factor).softmax(1).detach().numpy()
        nll = metrics.log_loss(LABELS, p, labels=range(4))
        assert summary.scalars[f"{prefix}nll"] == pytest.approx(nll)
        brier = metrics.brier_score_loss(LABELS, p, labels=range(4), scale_by_half=False)
        assert summary.scalars[f"{prefix}brier"] == pytest.approx(brier)
        torch.testing.assert_close(
            table.numbers(f"{prefix}confidence"), torch.from_numpy(p).amax(1)
        )
    assert summary.scalars["temperature"] == 2
    expected = (NETWORK(IMAGES).argmax(1) == LABELS).double().mean()
    assert summary.scalars["accuracy"] == pytest.approx(expected.item())
    assert all(summary.meaning(name) for name in (*summary.scalars, *summary.curves))


def test_float32_logits_do_not_saturate():
    sure = oracles.Constant(30.0, 0.0).float()
    images = IMAGES.float()
    table = Confidence().measure(sure, Batch(images, LABELS * 0, torch.arange(COUNT)), NOISE)
    assert (table.numbers("confidence") < 1).all()
    assert (table.numbers("nll") > 0).all()


def test_rejection_counts_as_its_definition():
    attacks = (ConfidenceAttack(0.2, steps=5), ConfidenceAttack(0.6, "l2", steps=5, restarts=1))
    probe = Rejection(threshold(0.4), attacks)
    table = probe.measure(NETWORK, BATCH, NOISE)
    worst, right = [], []
    found = [
        attack(NETWORK, IMAGES, LABELS, NOISE.stream("attack", number)).detach()
        for number, attack in enumerate(attacks)
    ]
    for i in range(COUNT):
        p = [NETWORK(inputs[i : i + 1]).softmax(1)[0] for inputs in found]
        wrong = [own.max().item() for own in p if own.argmax() != LABELS[i]]
        worst.append(max(wrong) if wrong else max(own.max().item() for own in p))
        right.append(not wrong)
    torch.testing.assert_close(
        table.numbers("attacked_confidence"), torch.tensor(worst, dtype=torch.float64)
    )
    assert table.numbers("attacked_correct").tolist() == right
    clean = NETWORK(IMAGES).softmax(1).amax(1) >= 0.4
    attacked, fooled = torch.tensor(worst) >= 0.4, ~torch.tensor(right)
    mislabelled = NETWORK(IMAGES).argmax(1) != LABELS
    errors = ((clean & mislabelled) | (attacked & fooled)).sum()
    summary = probe.summarise(table)
    expected = errors / (clean | attacked).sum()
    assert summary.scalars["thresholded_robust_error"] == pytest.approx(expected.item())
    robust = (mislabelled | fooled).double().mean().item()
    assert summary.scalars["robust_error"] == pytest.approx(robust)
    assert summary.scalars["auroc"] == auroc(
        table.numbers("confidence")[~mislabelled], table.numbers("attacked_confidence")[fooled]
    )
    at_40 = summary.curves["thresholded_robust_error"].y[40]
    assert at_40 == pytest.approx(expected.item())
    assert summary.scalars["asked"] == 0.95
    kept = (clean & ~mislabelled).sum() / (~mislabelled).sum()
    assert summary.scalars["accepted"] == pytest.approx(kept.item())
    assert all(summary.meaning(name) for name in (*summary.scalars, *summary.curves))


def test_without_a_threshold_all_are_counted():
    probe = Rejection(threshold(0.0), (ConfidenceAttack(0.1, steps=2),))
    scalars = probe.summarise(probe.measure(NETWORK, BATCH, NOISE)).scalars
    assert scalars["thresholded_robust_error"] == scalars["robust_error"]
    assert scalars["accepted"] == scalars["attacked_accepted"] == 1


def test_a_threshold_that_nothing_reaches_leaves_no_share():
    probe = Rejection(threshold(1.0), (ConfidenceAttack(0.1, steps=2),))
    table = Table(probe.measure(NETWORK, BATCH, NOISE))
    scalars = probe.summarise(table).scalars
    assert "thresholded_robust_error" not in scalars
    assert [len(chart.series) for chart in probe.charts({"a": table})] == [2, 2]


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="attacks must name at least one"):
        Rejection(threshold(0.5), ())
    with pytest.raises(ValueError, match="at least two classes; got 1"):
        Confidence().validate((1, 4, 4), 1)
    with pytest.raises(ValueError, match="'threshold'"):
        Rejection(TWO, (ConfidenceAttack(0.1),)).validate((1, 4, 4), 4)
    with pytest.raises(ValueError, match="'temperature'"):
        Confidence(threshold(0.5)).validate((1, 4, 4), 4)
    with pytest.raises(ValueError, match="labels"):
        Confidence().measure(NETWORK, Batch(IMAGES, LABELS + 1, BATCH.indices), NOISE)
