"""The table of membership: planted members are found, others are not; what is missing is told."""

import pytest
import torch
from sklearn.metrics import roc_auc_score

from advcore.pipelines.tables import MembershipInference, Part

SAMPLES = torch.arange(400) * 3 + 1
TABLE = MembershipInference("scores", "learnt", "shadow_scores", "shadow_learnt")


def rows(inside, seed, hard):
    """Scores that are 2 larger where the sample was learnt, about a sample's own level."""
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(SAMPLES), 1, generator=random, dtype=torch.float64)
    views = hard + 2 * inside[:, None] + noise
    return {"sample": SAMPLES, "score": views[:, 0], "views": views, "correct": views[:, 0] > 0}


def parts(gain=True):
    """Two networks and 16 shadows; without gain what the networks learnt is drawn afterwards."""
    random = torch.Generator().manual_seed(9)
    hard = 4 * torch.randn(len(SAMPLES), 1, generator=random, dtype=torch.float64)
    made = []
    for seed in range(2):
        inside = torch.rand(len(SAMPLES), generator=random) < 0.5
        told = inside if gain else torch.rand(len(SAMPLES), generator=random) < 0.5
        made += [
            Part("scores", {"seed": seed}, rows(inside, seed, hard)),
            Part("learnt", {"seed": seed}, {"sample": SAMPLES[told]}),
        ]
    halves = torch.rand(16, len(SAMPLES), generator=random).argsort(0).argsort(0) < 8
    for shadow, inside in enumerate(halves):
        made += [
            Part("shadow_scores", {"shadow": shadow}, rows(inside, 100 + shadow, hard)),
            Part("shadow_learnt", {"shadow": shadow}, {"sample": SAMPLES[inside]}),
        ]
    return made


def by_attack(columns, name, attack):
    return [
        float(own)
        for own, its in zip(columns[name], columns["attack"], strict=True)
        if its == attack
    ]


def test_shadows_tell_what_a_threshold_cannot():
    columns = TABLE.rows(parts())
    assert columns["seed"] == ["0"] * 4 + ["1"] * 4
    assert columns["attack"][:4] == ["label", "score", "lira", "lira_offline"]
    for low, high in zip(
        by_attack(columns, "auc", "score"), by_attack(columns, "auc", "lira"), strict=True
    ):
        assert 0.55 < low < 0.75 < 0.88 < high  # Phi(2 / sqrt(2)) = .92 where medians are known
    for name in ("auc", "balanced_accuracy", "true_positives"):
        assert (columns[f"{name}_low"] <= columns[name]).all()
        assert (columns[name] <= columns[f"{name}_high"]).all()
    first = parts()
    member = torch.isin(SAMPLES, first[1].rows["sample"])
    expected = roc_auc_score(member, first[0].rows["score"])
    assert columns["auc"][1].item() == pytest.approx(expected)
    assert columns["members"][0].item() == member.sum()
    (chart,) = TABLE.charts(parts())
    assert [own.label for own in chart.series] == ["label", "score", "lira", "lira_offline", ""]


def test_members_that_are_drawn_afterwards_are_not_told():
    columns = TABLE.rows(parts(gain=False))
    for low, high in zip(columns["auc_low"], columns["auc_high"], strict=True):
        assert low - 0.03 < 0.5 < high + 0.03
    assert columns["true_positives"].max() < 0.06


def test_a_curve_goes_as_far_as_its_others_and_has_its_area():
    """Also that of a score of two values, whose points are joined."""
    made = [own for own in parts() if own.at.get("seed") == 0 or "shadow" in own.at]
    own = made[0].rows
    (chart,) = MembershipInference("scores", "learnt").charts(made)
    member = torch.isin(SAMPLES, made[1].rows["sample"])
    for series, score in zip(chart.series, (own["correct"].double(), own["score"]), strict=False):
        assert series.x[0] >= 100 / (~member).sum() - 1e-9
        area = torch.trapezoid(series.y, series.x) / 1e4
        assert area.item() == pytest.approx(roc_auc_score(member, score), abs=0.01)
    (label,) = [series for series in chart.series if series.label == "label"]
    assert (label.y >= label.x - 1e-9).all()


def test_attacks_of_too_few_others_have_no_rows_and_no_curve():
    """Online LiRA has no score of the samples that no shadow learnt."""
    made = parts()
    never = SAMPLES[:300]
    known = [
        Part(own.probe, own.at, {"sample": own.rows["sample"][own.rows["sample"] > never[-1]]})
        if own.probe == "shadow_learnt"
        else own
        for own in made
    ]
    columns = TABLE.rows(known)
    assert "lira" not in columns["attack"]
    assert "lira_offline" in columns["attack"]
    (chart,) = TABLE.charts(known)
    assert [own.label for own in chart.series] == ["label", "score", "lira_offline", ""]
    with pytest.raises(LookupError, match=r"1000 are needed, .* false_positives 0\.001"):
        MembershipInference("scores", "learnt", false_positives=0.001).rows(made)


def test_samples_that_are_left_out_are_neither():
    """A control of what no network learnt: the other half against strangers, at no gain."""
    made = parts()
    rest = [
        Part("rest", own.at, {"sample": SAMPLES[200:][~torch.isin(SAMPLES[200:], its)]})
        for own in made
        if own.probe == "learnt"
        for its in [own.rows["sample"]]
    ]
    table = MembershipInference(
        "scores", "rest", "shadow_scores", "shadow_learnt", without="learnt", false_positives=0.02
    )
    columns = table.rows([*made, *rest])
    learnt = made[1].rows["sample"]
    assert columns["members"][0] == len(rest[0].rows["sample"])
    assert columns["others"][0] == (~torch.isin(SAMPLES[:200], learnt)).sum()
    for attack in ("lira", "lira_offline"):  # the others tell how hard the samples are
        for low, high in zip(
            by_attack(columns, "auc_low", attack),
            by_attack(columns, "auc_high", attack),
            strict=True,
        ):
            assert low < 0.5 < high
    with pytest.raises(LookupError, match="no rows of probe learnt at seed=1"):
        table.rows([*made[:3], *made[4:], *rest])
    known = [
        Part(own.probe, own.at, {"sample": own.rows["sample"][own.rows["sample"] > SAMPLES[199]]})
        if own.probe == "shadow_learnt"
        else own
        for own in made
    ]
    assert set(table.rows([*known, *rest])["attack"]) == {"label", "score", "lira_offline"}


def test_what_is_missing_is_told():
    every = parts()
    with pytest.raises(LookupError, match="no rows of probe scores are there: name it in of"):
        TABLE.rows(every[1:2])
    with pytest.raises(LookupError, match="no rows of probe learnt at seed=1"):
        TABLE.rows([*every[:3], *every[4:]])
    with pytest.raises(LookupError, match="must be of the same shadows"):
        TABLE.rows(every[:-1])
    with pytest.raises(LookupError, match="several members at seed=0"):
        TABLE.rows([*every, every[0]])
    bare = {"sample": SAMPLES, "correct": torch.ones(400)}
    with pytest.raises(
        LookupError, match="rows of scores have no 'views': measure a probe membersh"
    ):
        TABLE.rows([Part("scores", {"seed": 0}, bare), *every[1:2], *every[4:]])
    few = Part("learnt", {"seed": 0}, {"sample": SAMPLES[:3]})
    with pytest.raises(LookupError, match="at seed=0 3 samples are members and 397 are not"):
        TABLE.rows([every[0], few, *every[4:]])
    other = {**every[4].rows, "sample": SAMPLES + 1}
    with pytest.raises(LookupError, match="scores and shadow_scores must be of the same samples"):
        TABLE.rows([*every[:4], Part("shadow_scores", {"shadow": 0}, other), *every[5:]])
    with pytest.raises(LookupError, match="need two shadows that learnt it"):
        TABLE.rows(every[:6])
    with pytest.raises(ValueError, match=r"false_positives must lie in \(0, 1\); got 0"):
        MembershipInference("scores", "learnt", false_positives=0)
    with pytest.raises(ValueError, match="shadows and shadows_learnt belong together"):
        MembershipInference("scores", "learnt", "shadow_scores")
