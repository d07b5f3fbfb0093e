"""The table of samples outside the distribution, against scikit-learn on the same rows."""

import pytest
import torch
from sklearn import metrics

from advcore.pipelines.tables import Outside, Part

SCORES = {
    "test": torch.tensor([0.9, 0.8, 0.99, 1.0, 0.6]),
    "noise": torch.tensor([0.7, 0.3, 0.6]),
    "clothes": torch.tensor([0.95, 0.2]),
}


def parts(**scores: torch.Tensor) -> list[Part]:
    return [
        Part("confidence", {"data": name, "seed": 0}, {"confidence": own})
        for name, own in scores.items()
    ]


def test_its_numbers_are_scikit_learns_and_its_labels_the_data_sets() -> None:
    table = Outside("test").rows(parts(**SCORES))
    assert table["outside"] == ["noise", "clothes"]
    for place, name in enumerate(("noise", "clothes")):
        truth = [1] * 5 + [0] * len(SCORES[name])
        scores = torch.cat([SCORES["test"], SCORES[name]])
        assert table["auroc"][place] == pytest.approx(metrics.roc_auc_score(truth, scores))
        assert table["mean"][place] == pytest.approx(SCORES[name].mean().item())
    assert table["fpr_inside_positive"].tolist() == pytest.approx([2 / 3, 0.5])  # from .6 on
    assert table["fpr_outside_positive"].tolist() == pytest.approx([0.2, 0.6])  # up to .7, .95
    assert table["samples"].tolist() == [3, 2]
    (chart,) = Outside("test").charts(parts(**SCORES))
    assert [own.label for own in chart.series] == ["noise, 0.900", "clothes, 0.700"]


def test_rows_that_are_missing_or_twice_are_refused() -> None:
    with pytest.raises(LookupError, match="needs rows at data=test and at another; got noise"):
        Outside("test").rows(parts(noise=SCORES["noise"]))
    with pytest.raises(LookupError, match="several members lie at data=test"):
        Outside("test").rows(parts(**SCORES) + parts(**SCORES))
    with pytest.raises(LookupError, match="have no 'scaled_confidence'"):
        Outside("test", column="scaled_confidence").rows(parts(**SCORES))
    with pytest.raises(ValueError, match="true_positives must lie in"):
        Outside("test", true_positives=0.0)


def test_several_scores_have_rows_and_charts_each() -> None:
    held = [
        Part("p", {"data": name}, {"confidence": own, "margin": -own})
        for name, own in SCORES.items()
    ]
    table = Outside("test", columns=("confidence", "margin")).rows(held)
    assert table["score"] == ["confidence"] * 2 + ["margin"] * 2
    assert table["outside"] == ["noise", "clothes"] * 2
    areas = table["auroc"].tolist()
    assert areas[2:] == pytest.approx([1 - area for area in areas[:2]])
    charts = Outside("test", columns=("confidence", "margin")).charts(held)
    assert [own.name for own in charts] == ["roc-confidence", "roc-margin"]


def test_scores_that_are_nan_and_data_sets_without_samples_are_refused() -> None:
    for own, message in [
        (torch.tensor([0.1, float("nan")]), "1 of 2 numbers confidence at data=noise are NaN"),
        (torch.tensor([]), "a sample at least"),
    ]:
        with pytest.raises(LookupError, match=message):
            Outside("test").rows(parts(test=torch.tensor([0.1, 0.2]), noise=own))
