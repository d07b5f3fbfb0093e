import dataclasses

import oracles
import pytest
import torch

from advcore import Randomness, Untargeted
from advcore.attacks import APGD, APGDT, FGSM, FMN, PGD, Bisected, DeepFool, MinimalNorm, Square
from advcore.gradient_masking import ball_signs
from advcore.probes import Batch, Robustness, Table

EPS = (0.05, 0.2, 0.5)
LATE = PGD(norm="l2", steps=5, random_start=False)
PROBES = [
    Robustness(EPS, in_turn=False),
    Robustness((0.01, 0.1), attacks=(PGD(steps=10), FGSM(), DeepFool(norm="linf")), in_turn=False),
    Robustness(
        EPS,
        attacks=(
            Bisected(DeepFool(), steps=20),
            DeepFool(),
            DeepFool(steps=1),
            PGD(norm="l2", steps=5, random_start=False),
        ),
        in_turn=False,
    ),
]
NETWORK, COUNT = oracles.relu(), 24

every_probe = pytest.mark.parametrize("probe", PROBES, ids=["l2", "linf", "many"])


def _batch(network=NETWORK, count=COUNT):
    images = oracles.images(count)
    labels = network(images).argmax(1)
    labels[::5] = (labels[::5] + 1) % 2
    return Batch(images, labels, torch.arange(100, 100 + count))


def _measure(probe, batch=None, network=NETWORK):
    batch = batch or _batch()
    return probe.measure(network, batch, Randomness(0, batch.indices))


def _rows(table, attack):
    chosen = torch.tensor([name == attack for name in table["attack"]])
    return {
        name: column[chosen]
        if isinstance(column, torch.Tensor)
        else [v for v, c in zip(column, chosen, strict=True) if c]
        for name, column in table.items()
    }


@every_probe
def test_columns(probe):
    table, batch = _measure(probe), _batch()
    names = list(dict.fromkeys(table["attack"]))
    assert {len(column) for column in table.values()} == {COUNT * len(names)}
    assert len(names) == len(probe.chosen) + 1
    assert names[-1] == "worst"
    for name in names:
        rows = _rows(table, name)
        assert torch.equal(rows["sample"], batch.indices)
        assert torch.equal(rows["label"], batch.labels)
        assert torch.equal(rows["prediction"], NETWORK(batch.inputs).argmax(1))
        wrong = rows["prediction"] != rows["label"]
        assert [status == "already_wrong" for status in rows["status"]] == wrong.tolist()
        assert torch.equal(rows["broken_at"] == 0, wrong)
        assert set(rows["broken_at"].tolist()) <= {0.0, *probe.eps, torch.inf}
        if name.startswith(("pgd", "fgsm")):
            assert torch.equal(
                torch.isinf(rows["distance"]), torch.isinf(rows["broken_at"]) | wrong
            )
            assert (rows["distance"] <= rows["broken_at"] * (1 + 1e-6))[~wrong].all()
            assert torch.equal(
                torch.tensor([status == "broken" for status in rows["status"]]),
                torch.isfinite(rows["broken_at"]) & ~wrong,
            )
            assert "robust" in rows["status"]
            assert "broken" in rows["status"]
        else:
            assert (rows["distance"] > 0).all()


@every_probe
def test_the_curves(probe):
    table, batch = _measure(probe), _batch()
    summary = probe.summarise(table)
    clean = (NETWORK(batch.inputs).argmax(1) == batch.labels).double().mean().item()
    assert summary.scalars["accuracy"] == clean < 1
    worst = summary.curves["robust_accuracy/worst"]
    assert len(summary.curves) == len(probe.chosen) + 1
    assert all(summary.meaning(name) for name in (*summary.scalars, *summary.curves))
    for curve in summary.curves.values():
        assert list(curve.x) == [0.0, *probe.eps]
        assert curve.y[0] == clean
        assert list(curve.y) == sorted(curve.y, reverse=True)
        assert all(low <= high for low, high in zip(worst.y, curve.y, strict=True))
    assert worst.y[-1] < worst.y[0]


def test_robust_accuracy_of_an_affine_classifier_is_the_exact_one():
    affine = oracles.Affine(2)
    batch = dataclasses.replace(_batch(affine), inputs=oracles.images(COUNT, spread=0.3))
    prediction = affine(batch.inputs).argmax(1)
    exact = affine.margins(batch.inputs)
    middle = exact.sort().values
    probe = Robustness(
        ((middle[5] + middle[6]).item() / 2, (middle[15] + middle[16]).item() / 2),
        attacks=(Bisected(DeepFool(), steps=20),),
    )
    expected = [
        ((exact > eps) & (prediction == batch.labels)).double().mean().item()
        for eps in (0.0, *probe.eps)
    ]
    summary = probe.summarise(_measure(probe, batch, affine))
    assert summary.curves["robust_accuracy/worst"].y == expected
    assert summary.scalars["mean_distance/bisected-deepfool-l2"] == pytest.approx(
        exact.mean().item(), rel=1e-5
    )


def test_a_sample_at_exactly_eps_is_broken_there():
    table = {
        "attack": ["deepfool-l2"] * 3,
        "broken_at": torch.tensor([0.1, 0.2, torch.inf]),
        "distance": torch.tensor([0.1, 0.15, torch.inf]),
        "own_broken_at": torch.tensor([0.1, 0.2, torch.inf]),
        "own_distance": torch.tensor([0.1, 0.15, torch.inf]),
    }
    summary = Robustness((0.1, 0.2), attacks=(DeepFool(),)).summarise(Table(table))
    assert summary.curves["robust_accuracy/worst"].y == pytest.approx([1, 2 / 3, 1 / 3])


def test_samples_not_found_stay_in_the_mean_and_the_median():
    table = {
        "attack": ["deepfool-l2"] * 3,
        "broken_at": torch.full((3,), torch.inf),
        "distance": torch.tensor([torch.inf, 0.9, torch.inf]),
        "own_broken_at": torch.full((3,), torch.inf),
        "own_distance": torch.tensor([torch.inf, 0.9, torch.inf]),
    }
    scalars = Robustness((0.1,), attacks=(DeepFool(),)).summarise(Table(table)).scalars
    assert (
        scalars["mean_distance/deepfool-l2"] == scalars["median_distance/deepfool-l2"] == torch.inf
    )
    assert scalars["found/deepfool-l2"] == pytest.approx(1 / 3)


def test_budget_attacks_run_only_on_what_stands():
    probe = Robustness((0.05, 0.2, 0.5, 5.0), attacks=(PGD(norm="l2", steps=6),), masking=False)
    seen = []

    def classifier(images):
        seen.append(len(images))
        return NETWORK(images)

    table = _measure(probe, network=classifier)
    wrong = table["prediction"] != table["label"]
    assert (table["queries"][wrong] == 0).all()
    assert sum(seen) == table["queries"].sum() + COUNT  # the one for the prediction
    standing = torch.tensor([(table["broken_at"] > eps).sum().item() for eps in (0.0, *probe.eps)])
    assert standing[0] == (~wrong).sum()
    assert (standing.diff() < 0).any()
    survivors = torch.isinf(table["broken_at"])
    tries = torch.tensor(
        [[eps <= broken for eps in probe.eps] for broken in table["broken_at"].tolist()]
    ).sum(1)
    assert (table["queries"] <= tries * (6 + 2)).all()
    assert (table["queries"][survivors] == 4 * (6 + 1)).all()


def test_broken_at_is_the_smallest_eps_at_which_the_attack_succeeds():
    probe, batch = Robustness((0.05, 0.2, 0.5, 5.0), attacks=(PGD(norm="l2", steps=6),)), _batch()
    broken_at = torch.full((COUNT,), torch.inf, dtype=torch.float64)
    for eps in reversed(probe.eps):
        result = PGD(eps=eps, norm="l2", steps=6)(
            NETWORK, batch.inputs, Untargeted(batch.labels), Randomness(0, batch.indices)
        )
        broken_at[result.found] = eps
    wrong = NETWORK(batch.inputs).argmax(1) != batch.labels
    assert torch.equal(_measure(probe, batch)["broken_at"], broken_at.masked_fill(wrong, 0))
    assert len(broken_at.unique()) > 3


@every_probe
def test_shards_give_the_rows_of_the_whole(probe):
    batch = _batch()
    whole = _measure(probe, batch)
    cut = [
        Batch(batch.inputs[part], batch.labels[part], batch.indices[part])
        for part in (slice(0, 7), slice(7, None))
    ]
    parts = [_measure(probe, half) for half in cut]
    for attack in dict.fromkeys(whole["attack"]):
        expected, halves = _rows(whole, attack), [_rows(part, attack) for part in parts]
        for name, column in expected.items():
            if isinstance(column, torch.Tensor):
                torch.testing.assert_close(
                    torch.cat([half[name] for half in halves]), column, rtol=1e-5, atol=1e-8
                )
            else:
                assert halves[0][name] + halves[1][name] == column


@every_probe
def test_the_worst_of_each_model_stands_in_its_interval_and_each_attack_beside_it_is_thin(probe):
    table = _measure(probe)
    (chart,) = probe.charts({"plain": table, "robust": table})
    thick = [series for series in chart.series if not series.thin]
    assert [series.label for series in thick] == ["plain", "robust"]
    for series in thick:
        assert ((series.low <= series.y) & (series.y <= series.high)).all()
        assert (series.high > series.low).all()
    worst = thick[0].y.tolist()
    drawn = {
        series.label.removeprefix("plain, ").removesuffix(" alone")
        for series in chart.series
        if series.thin
    }
    curves = probe.summarise(table).curves
    own = {
        name.partition("/")[2]: list(curve.y)
        for name, curve in curves.items()
        if not name.endswith("/worst")
    }
    assert all(series.y.tolist() != worst for series in chart.series if series.thin)
    for name, curve in own.items():
        hidden = curve == list(curves["robust_accuracy/worst"].y)
        assert (name in drawn) != hidden
        assert (f" {name} on plain" in chart.note) == hidden


def test_a_single_attack_needs_no_name_in_the_legend():
    probe = Robustness(EPS, attacks=(DeepFool(),))
    (chart,) = probe.charts({"plain": _measure(probe)})
    assert [series.label for series in chart.series] == ["plain"]


def test_all_wrong():
    batch = _batch()
    wrong = dataclasses.replace(batch, labels=(NETWORK(batch.inputs).argmax(1) + 1) % 4)
    summary = PROBES[0].summarise(_measure(PROBES[0], wrong))
    assert all(y == 0 for y in summary.curves["robust_accuracy/worst"].y)


SIGNS = (
    "zero_gradient",
    "zero_margin_gradient",
    "saturated",
    "variation",
    "regained",
    "worse_than_noise",
)


@every_probe
def test_an_honest_network_shows_no_sign_of_masking_but_where_an_attack_is_cut_short(probe):
    table = _measure(probe)
    assert set(SIGNS) <= set(table)
    summary = probe.summarise(table)
    lame = {
        name
        for name, attack in zip(dict.fromkeys(table["attack"]), probe.chosen, strict=False)
        if attack == DeepFool(steps=1)
    }
    assert set(summary.warnings) == ({"worse_than_noise"} if lame else set())
    worse = {
        name.split("/")[-1]
        for name, share in summary.scalars.items()
        if "worse_than_noise/" in name and share > 0
    }
    assert worse == lame
    assert summary.scalars["masking/saturated"] == 0
    without = dataclasses.replace(probe, masking=False)
    assert not set(SIGNS) & set(_measure(without))
    assert without.summarise(_measure(without)).curves == summary.curves


def test_signs_of_the_sample_stand_on_each_of_its_rows_and_noise_is_compared_with_each_attack():
    """The gradient attack cannot see through rounding, and square can: it looks at logits alone."""
    network = oracles.Quantised(oracles.relu(), levels=6)
    batch = _batch(network)
    probe = Robustness(
        (0.05, 0.1, 0.15, 0.2), (PGD(steps=3, random_start=False), Square(queries=200))
    )
    table = _measure(probe, batch, network)
    ball = ball_signs(
        network, batch.inputs, batch.labels, "linf", (0.05, 0.15, 0.2), Randomness(0, batch.indices)
    )
    noise_at = torch.where(
        ball.by_noise, torch.tensor([0.05, 0.15, 0.2], dtype=torch.float64), torch.inf
    ).amin(1)
    for name in ("pgd-linf", "square-linf"):
        rows = _rows(table, name)
        assert rows["zero_gradient"].all()
        assert torch.equal(rows["regained"], ball.regained)
        assert torch.equal(rows["worse_than_noise"], noise_at < rows["broken_at"])
    scalars, warnings = (getattr(probe.summarise(table), part) for part in ("scalars", "warnings"))
    assert scalars["masking/worse_than_noise/pgd-linf"] > 0.1
    assert scalars["masking/worse_than_noise/square-linf"] == 0
    assert {"zero_gradients", "worse_than_noise"} <= set(warnings)
    assert "pgd-linf" in warnings["worse_than_noise"]
    assert "square" not in warnings["worse_than_noise"].split(")")[0]


def test_in_l0_gradients_alone_are_looked_at():
    probe = Robustness((3.0,), (FMN(norm="l0", steps=5),))
    table = _measure(probe)
    assert set(SIGNS) - set(table) == {"regained", "worse_than_noise"}
    assert "masking/saturated" in probe.summarise(table).scalars


def test_any_images_will_do():
    PROBES[0].validate((1, 1, 1), 2)


@pytest.mark.parametrize(
    ("eps", "attacks", "match"),
    [
        (
            (),
            (DeepFool(),),
            r"eps must be a growing list of finite positive radii in pixel units; got \[\]",
        ),
        ((0.0, 0.1), (DeepFool(),), "eps must be a growing list"),
        ((0.2, 0.1), (DeepFool(),), "eps must be a growing list"),
        ((0.1, 0.1), (DeepFool(),), "eps must be a growing list"),
        ((float("nan"),), (DeepFool(),), "eps must be a growing list"),
        ((0.1, float("inf")), (DeepFool(),), "eps must be a growing list of finite"),
        ((0.1,), (DeepFool(), PGD()), "must share a norm; got l2, linf: use one probe a norm"),
        ((0.1,), (PGD(), PGD()), "must be different ones, each once; got pgd-linf, pgd-linf"),
        ((0.1,), (PGD(eps=0.1),), "pgd-linf takes its eps from the probe's grid"),
    ],
)
def test_bad_settings_are_refused(eps, attacks, match):
    with pytest.raises(ValueError, match=match):
        Robustness(eps, attacks)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"quality": "best"}, "quality must be one of fast, tight; got 'best'"),
        (
            {"quality": "tight", "attacks": (PGD(),)},
            "quality and norm stand for attacks; give either them or attacks",
        ),
        ({"norm": "l2", "attacks": (PGD(norm="l2"),)}, "give either them or attacks"),
    ],
)
def test_bad_qualities_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        Robustness((0.1,), **settings)


def test_a_quality_stands_for_attacks():
    assert Robustness((0.1,)).chosen == (DeepFool(), PGD(norm="l2"))
    assert Robustness((0.1,), quality="tight", norm="linf").chosen == (
        MinimalNorm(norm="linf"),
        APGD(),
        APGDT(),
    )
    assert Robustness((0.1,), (FGSM(),)).chosen == (FGSM(),)


def test_in_turn_an_attack_starts_from_what_is_known():
    attacks = (DeepFool(), PGD(norm="l2", steps=5))
    alone, in_turn = (
        _measure(Robustness(EPS, attacks, in_turn=choice)) for choice in (False, True)
    )
    first, second, worst = (_rows(in_turn, name) for name in ("deepfool-l2", "pgd-l2", "worst"))
    for name, column in _rows(alone, "deepfool-l2").items():
        assert list(column) == list(first[name])
    assert (second["broken_at"] <= first["broken_at"]).all()
    assert (second["distance"] <= first["distance"]).all()
    assert second["queries"].sum() < _rows(alone, "pgd-l2")["queries"].sum()
    for name in ("broken_at", "distance", "status"):
        assert list(worst[name]) == list(second[name])
    assert torch.equal(worst["queries"], first["queries"] + second["queries"])


def test_no_number_stands_under_the_name_of_an_attack_that_did_not_find_it():
    """DeepFool breaks all; the budget attack, a weak one, not."""
    attacks = (DeepFool(), Square(norm="l2", queries=3))
    alone, in_turn = (
        Robustness((0.05, 0.2, 5.0), attacks, in_turn=choice) for choice in (False, True)
    )
    by_itself, after = (probe.summarise(_measure(probe)) for probe in (alone, in_turn))
    assert by_itself.scalars["found/square-l2"] < 0.9
    assert (
        after.scalars["found/worst"]
        == after.scalars["found/deepfool-l2"]
        == by_itself.scalars["found/worst"]
        == 1
    )
    assert not {"found/square-l2", "robust_accuracy/square-l2"} & {*after.scalars, *after.curves}
    assert (
        by_itself.curves["robust_accuracy/square-l2"].y[-1]
        > by_itself.curves["robust_accuracy/worst"].y[-1]
        == 0
    )
    for name in ("found/deepfool-l2", "mean_distance/deepfool-l2"):
        assert after.scalars[name] == by_itself.scalars[name]
    rows, strong = (_rows(_measure(in_turn), name) for name in ("square-l2", "deepfool-l2"))
    looked = ~rows["own_distance"].isnan()
    assert (rows["own_broken_at"][looked] == rows["broken_at"][looked]).all()
    assert (rows["own_broken_at"][looked] < strong["broken_at"][looked]).all()
    assert after.scalars["added/square-l2"] == looked.double().mean().item()


def test_of_two_minimal_norm_attacks_each_keeps_its_own_numbers():
    probe = Robustness(EPS, (DeepFool(), DeepFool(steps=1)), masking=False)
    scalars = probe.summarise(_measure(probe)).scalars
    (single,) = (Robustness(EPS, (DeepFool(steps=1),), masking=False),)
    assert (
        scalars["found/deepfool-l2 steps=1"]
        == single.summarise(_measure(single)).scalars["found/deepfool-l2"]
    )
    assert scalars["found/deepfool-l2 steps=1"] < scalars["found/deepfool-l2"]
    assert scalars["found/deepfool-l2"] == scalars["found/worst"]
