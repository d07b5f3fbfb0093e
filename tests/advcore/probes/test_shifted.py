from dataclasses import replace

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.learnt import Learnt
from advcore.pipelines.claims import Claim
from advcore.pipelines.settings import schema
from advcore.probes import Batch, Shifted
from advcore.probes.shifted_vectors import chessboard, random_points
from advcore.workers.probe_checks import check_columns

SHAPE = (1, 4, 4)
IMAGES = oracles.images(300, SHAPE)
NETWORK = oracles.Affine(3, SHAPE)
LABELS = torch.arange(300) % 3
BATCH = Batch(IMAGES, LABELS, torch.arange(50, 350))
VECTOR = (NETWORK.weight[1] - NETWORK.weight[0]).detach().view(SHAPE) / 4
MEAN = IMAGES.mean(0)
UAP = Learnt("uap", "key", {"vector": VECTOR, "mean": MEAN})
PROBE = Shifted(UAP, squares=(1, 2), draws=5, box=False)


def _measure(probe=PROBE, batch=BATCH, seed=0):
    table = probe.measure(NETWORK, batch, Randomness(seed, batch.indices))
    check_columns(table, probe, batch)
    return table


def _of(table, name, column="fooled"):
    control = name not in ("none", "learnt", "learnt_minus", "sphere")
    return table.take(table.rows_with("control" if control else "vector", name))[column]


def _changed(vector):
    return (NETWORK(IMAGES + vector).argmax(1) != NETWORK(IMAGES).argmax(1)).double()


def test_rows_are_those_of_the_shifted_samples():
    table = _measure()
    size = VECTOR.norm()
    boards = {f"chessboard_{square}": chessboard(SHAPE, square) / 4 for square in (1, 2)}
    others = {"constant": torch.full(SHAPE, 0.25), "mean": MEAN / MEAN.norm(), **boards}
    expected = {"none": 0 * VECTOR, "learnt": VECTOR, "learnt_minus": -VECTOR}
    for name, picture in others.items():
        expected |= {name: size * picture, f"{name}_minus": -size * picture}
    own = NETWORK(IMAGES).argmax(1)
    for name, vector in expected.items():
        logits = NETWORK(IMAGES + vector)
        assert torch.equal(_of(table, name), _changed(vector))
        assert torch.equal(_of(table, name, "correct"), (logits.argmax(1) == LABELS).double())
        confidence = logits.softmax(1).gather(1, own[:, None])[:, 0]
        torch.testing.assert_close(_of(table, name, "confidence"), confidence)
        length = 0 if name == "none" else size.item()
        torch.testing.assert_close(
            _of(table, name, "norm"), torch.full((300,), length, dtype=torch.float64)
        )
    drawn = size * random_points(0, 5, SHAPE, "l2")
    torch.testing.assert_close(
        _of(table, "sphere"), torch.stack([_changed(one) for one in drawn]).mean(0)
    )
    assert set(table["vector"]) == {"none", "learnt", "learnt_minus", "sphere", "control"}
    assert len(table["sample"]) == 300 * (4 + 2 * 4)


def test_a_chessboard():
    board = chessboard((2, 3, 4), 2)[0]
    rows = [[1, 1, -1, -1], [1, 1, -1, -1], [-1, -1, 1, 1]]
    assert board.tolist() == [rows, rows]


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_all_vectors_are_as_long_as_the_learnt_one(norm):
    size = VECTOR.norm() if norm == "l2" else VECTOR.abs().max()
    norms = _measure(replace(PROBE, norm=norm))["norm"]
    assert norms[norms > 0].tolist() == pytest.approx([size.item()] * (300 * 11))
    points = random_points(3, 4, SHAPE, norm)
    assert not torch.equal(points, random_points(4, 4, SHAPE, norm))
    assert torch.equal(points[:2], random_points(3, 2, SHAPE, norm))
    assert norm == "l2" or set(points.flatten().tolist()) == {-1, 1}


def test_a_learnt_vector_of_another_device_and_dtype():
    single = replace(BATCH, inputs=IMAGES.float())
    network = oracles.Affine(3, SHAPE, torch.float32)
    table = PROBE.measure(network, single, Randomness(0, BATCH.indices))
    assert _of(table, "learnt").mean().item() == pytest.approx(
        _changed(VECTOR).mean().item(), abs=0.01
    )


def test_the_box_clips_what_is_shifted():
    clipped = _of(_measure(replace(PROBE, box=True)), "learnt", "confidence")
    own = NETWORK(IMAGES).argmax(1)
    logits = NETWORK((IMAGES + VECTOR).clamp(0, 1))
    torch.testing.assert_close(clipped, logits.softmax(1).gather(1, own[:, None])[:, 0])
    assert not torch.equal(clipped, _of(_measure(), "learnt", "confidence"))


def test_the_summary_and_the_chart_name_the_best_control():
    table = _measure()
    summary = PROBE.summarise(table)
    rates = {
        name: _of(table, name).mean().item() for name in dict.fromkeys(table["control"]) if name
    }
    best = max(rates.values())
    assert summary.scalars["fooling_rate/best_control"] == pytest.approx(best)
    learnt = _changed(VECTOR).mean().item()
    assert summary.scalars["fooling_rate/learnt"] == pytest.approx(learnt) != best
    assert summary.scalars["accuracy/none"] == pytest.approx(
        (NETWORK(IMAGES).argmax(1) == LABELS).double().mean().item()
    )
    assert "fooling_rate/none" not in summary.scalars
    assert bool(summary.warnings) == (best >= 0.5 * learnt)
    (chart,) = PROBE.charts({"plain": table, "lost": table.take(torch.arange(0))})
    boards = ["chess-\nboard 1", "chess-\nboard 2"]
    assert chart.ticks == ["learnt", "sphere", *boards, "constant", "mean"]
    assert [own.label for own in chart.series] == ["plain", "plain, opposite"]
    assert chart.series[0].y[0].item() == pytest.approx(100 * learnt)
    assert len(chart.series[1].x) == 5  # of the sphere there is no opposite
    lost = table.take(torch.arange(0))
    assert PROBE.charts({"lost": lost}) == []
    assert not PROBE.summarise(lost).scalars


def test_a_control_that_fools_is_a_warning():
    even = Learnt("even", "", {"vector": torch.full(SHAPE, 0.5)})
    probe = Shifted(even, controls=("constant", "sphere"), draws=2)
    warning = probe.summarise(_measure(probe)).warnings["controls_fool_too"]
    assert warning.startswith("constant_minus, for which nothing was learnt, fools 0.")
    alone = Shifted(even, controls=())
    table = _measure(alone)
    assert list(dict.fromkeys(table["vector"])) == ["none", "learnt", "learnt_minus"]
    assert alone.summarise(table).warnings == {}


def test_controls_that_fool_nobody_are_no_warning():
    small = Learnt("small", "", {"vector": torch.full(SHAPE, 1e-9)})
    summary = Shifted(small, controls=("constant",)).summarise(
        _measure(Shifted(small, controls=("constant",)))
    )
    assert summary.scalars["fooling_rate/learnt"] == 0
    assert summary.warnings == {}


def test_a_claim_compares_with_the_best_control_and_with_random_vectors():
    table = _measure()
    rates = [_of(table, name).mean() for name in dict.fromkeys(table["control"]) if name]
    of = {"probe": "p", "column": "fooled", "where": {"vector": "learnt"}, "statistic": "mean"}
    claims = {
        max(rates): {"of": of | {"over": "control"}, "to": {"vector": "control"}},
        _of(table, "sphere").mean(): {"of": of, "to": {"vector": "sphere"}},
        _of(table, "mean").mean(): {"of": of, "to": {"vector": "control", "control": "mean"}},
    }
    for rate, settings in claims.items():
        claim = schema.structure(Claim, {"kind": "ratio", "says": "more", "at_least": 2} | settings)
        measured = claim.measure({"p": {"": table}})
        assert measured.value == pytest.approx((_changed(VECTOR).mean() / rate).item())
        assert 0 < measured.low < measured.value < measured.high


def test_what_cannot_be_measured_is_refused():
    Shifted(Learnt("uap"), squares=(1, 2)).validate(SHAPE, 3)  # before the fit is there
    for settings, match in (
        ({"controls": ("mean", "mean")}, "controls must be some of sphere, chessboard, constant"),
        ({"squares": (2, 1)}, "squares must be a growing list of whole numbers of pixels; got"),
        ({"squares": ()}, "squares must be a growing list"),
        ({"draws": 0}, "draws must be at least 1; got 0"),
        ({"norm": "l1"}, "norm must be one of l2, linf; got 'l1'"),
    ):
        with pytest.raises(ValueError, match=match):
            replace(PROBE, **settings)
    with pytest.raises(ValueError, match="smaller than the images, 4 x 4, else there is one alone"):
        replace(PROBE, squares=(4,)).validate(SHAPE, 3)
    with pytest.raises(
        ValueError, match=r"a chessboard \(leave it out of controls\) needs pictures"
    ):
        PROBE.validate((16,), 3)
    Shifted(Learnt("uap"), controls=("sphere", "constant")).validate((16,), 3)
    for tensors, match in (
        ({"radius": MEAN}, "the fit f has no 'vector'; it has radius"),
        ({"vector": VECTOR}, "the fit f holds no mean of its inputs, which the control mean needs"),
        ({"vector": VECTOR[0], "mean": MEAN}, r"of inputs \(4, 4\); these are \(1, 4, 4\): give"),
        ({"vector": 0 * VECTOR, "mean": MEAN}, "vector of the fit f must be finite and not 0"),
    ):
        with pytest.raises(ValueError, match=match):
            _measure(replace(PROBE, fit=Learnt("f", "", tensors)))
