import dataclasses

import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore import Randomness
from advcore.attacks import DeepFool
from advcore.probes import Batch, Landscape
from advcore.randomness import drawn_places

COUNT = 5
PROBE = Landscape(count=3, size=5, half_width=1.0)
ORDER = drawn_places(torch.arange(50, 50 + COUNT))
DRAWN = (ORDER < 3).nonzero()[:, 0]
"""The places of the three samples that are drawn."""
PLANES = ("normal_random", "normal_curved", "random_random")
NETWORK = oracles.softplus()


def _measure(
    probe=PROBE, network=NETWORK, rows=slice(None), dtype=torch.float64, shift=0.0, labels=4
):
    start = rows.start or 0
    some = (
        oracles.images(COUNT, dtype=dtype)[rows] + shift,
        torch.arange(COUNT)[rows] % labels,
        torch.arange(50, 50 + COUNT)[rows],
    )
    batch = Batch(*some, start, ORDER[rows])
    return probe.measure(network, batch, Randomness(0, batch.indices))


def _rows(table, name, column):
    chosen = torch.tensor([plane == name for plane in table["plane"]])
    return table[column][chosen]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_columns(dtype):
    network = oracles.softplus(dtype=dtype)
    table = _measure(network=network, dtype=dtype)
    images = oracles.images(COUNT, dtype=dtype)[DRAWN]
    assert {len(column) for column in table.values()} == {9}
    assert torch.equal(table["sample"], (50 + DRAWN).repeat_interleave(3))
    assert table["plane"] == [*PLANES] * 3
    assert table["labels"].shape == table["loss"].shape == (9, 5, 5)
    assert table["loss"].dtype == dtype
    prediction = network(images).argmax(1)
    loss = F.cross_entropy(network(images), DRAWN % 4, reduction="none").detach()
    for name in PLANES:  # the sample is the middle of every plane
        assert torch.equal(_rows(table, name, "prediction"), prediction)
        assert torch.equal(_rows(table, name, "labels")[:, 2, 2], prediction)
        torch.testing.assert_close(_rows(table, name, "loss")[:, 2, 2], loss)
    own = table["labels"] == table["prediction"][:, None, None]
    torch.testing.assert_close(table["own_share"], own.to(dtype).mean((1, 2)))
    assert torch.equal(table["largest_loss"], table["loss"].amax((1, 2)))
    assert [status == "broken" for status in table["status"]] == torch.isfinite(
        table["distance"]
    ).tolist()


def test_the_boundary_of_an_affine_classifier_lies_at_the_margin_along_the_normal():
    """Two classes: the other one begins at the margin upwards, all along the other axis; that axis
    is flat.
    """
    affine = oracles.Affine(2)
    margins = affine.margins(oracles.images(COUNT))[DRAWN]
    probe = dataclasses.replace(PROBE, size=201, half_width=1.9 * margins.max().item())
    table = _measure(probe, affine, labels=2)
    heights = torch.linspace(-probe.half_width, probe.half_width, 201, dtype=torch.float64)
    for name in ("normal_random", "normal_curved"):
        other = _rows(table, name, "labels") != _rows(table, name, "prediction")[:, None, None]
        assert torch.equal(other, (heights > margins[:, None])[:, :, None].expand_as(other))
    torch.testing.assert_close(
        _rows(table, "random_random", "distance"), margins, rtol=2e-3, atol=0
    )
    curved = _rows(table, "normal_curved", "loss")  # no curvature across the normal
    torch.testing.assert_close(curved, curved[:, :, :1].expand_as(curved))


def test_planes_are_as_wide_as_the_minimal_perturbation_is_long():
    """The boundary of two affine classes then lies at 1 along the normal of every sample's
    plane.
    """
    affine = oracles.Affine(2)
    probe = Landscape(count=3, size=21, lengths=2.0, planes=("normal_random",))
    table = _measure(probe, affine, labels=2)
    margins = affine.margins(oracles.images(COUNT))[DRAWN]
    torch.testing.assert_close(table["half_width"], 2 * margins, rtol=2e-3, atol=0)
    other = table["labels"] != table["prediction"][:, None, None]
    heights = torch.linspace(-2, 2, 21)
    assert (
        other == (heights > 0.999)[:, None]
    ).float().mean() > 0.94  # the row at 1 itself lies on the boundary
    labels, losses = probe.charts({"affine": table})
    assert (labels.x_limits, labels.y_limits) == ((-2, 2), (-2, 2))
    assert [mark.y for marks in labels.marks for mark in marks] == [
        1.0
    ] * 3  # r ends there in every map
    assert (labels.colours, losses.colours) == ("shared", "own")
    assert labels.x_label == "along a random direction (multiples of the length of r)"


def test_a_constant_classifier_has_no_normal():
    table = _measure(network=oracles.Constant(2.0, 0.0, 0.0, 0.0))
    assert set(table["status"]) == {"failed"}
    assert (table["own_share"] == 1).all()


def test_the_same_samples_whatever_the_shards():
    whole = _measure()
    for cut in (1, 2, 3, 4):
        shards = [_measure(rows=slice(0, cut)), _measure(rows=slice(cut, None))]
        for name, column in whole.items():
            if isinstance(column, torch.Tensor):
                assert all(shard[name].dtype == column.dtype for shard in shards)
                torch.testing.assert_close(
                    torch.cat([shard[name] for shard in shards]), column, rtol=1e-4, atol=1e-5
                )
            else:
                assert shards[0][name] + shards[1][name] == column


def test_a_sample_has_the_same_random_plane_for_every_model():
    """Where two models differ by a shift of the logits alone, all of that plane is the same."""

    def shifted(images):
        return NETWORK(images) + 3.0

    one, other = _measure(), _measure(network=shifted)
    torch.testing.assert_close(
        _rows(one, "random_random", "loss"), _rows(other, "random_random", "loss")
    )


def test_images_outside_the_box():
    outside, expected = _measure(shift=2.0), _measure(network=lambda images: NETWORK(images + 2))
    assert torch.equal(outside["labels"], expected["labels"])
    torch.testing.assert_close(outside["loss"], expected["loss"], rtol=1e-4, atol=1e-5)


def test_a_step_turns_the_most_curved_direction_alone():
    exact, coarse = _measure(), _measure(dataclasses.replace(PROBE, step=0.5))
    for name in PLANES:
        same = torch.equal(_rows(exact, name, "loss"), _rows(coarse, name, "loss"))
        assert same == (name != "normal_curved")


def test_summary():
    table = _measure()
    scalars = PROBE.summarise(table).scalars
    assert set(scalars) == {
        f"mean_{what}/{name}" for what in ("own_share", "largest_loss") for name in PLANES
    }
    for name in PLANES:
        assert scalars[f"mean_own_share/{name}"] == _rows(table, name, "own_share").mean()


def test_maps_of_labels_and_loss_with_a_panel_for_each_model_and_sample():
    tables = {
        "plain": _measure(),
        "constant": _measure(network=oracles.Constant(2.0, 0.0, 0.0, 0.0)),
    }
    charts = PROBE.charts(tables)
    assert [chart.name for chart in charts] == [
        f"{what}-{name}" for name in PLANES for what in ("labels", "loss")
    ]
    for chart in charts:
        assert [caption.split(",")[0] for _, caption in chart.panels] == ["plain"] * 3 + [
            "constant"
        ] * 3
        assert (chart.x_limits, chart.y_limits, chart.origin) == ((-1, 1), (-1, 1), True)
    labels, losses = charts[:2]
    assert torch.equal(labels.panels[1][0], _rows(tables["plain"], "normal_random", "labels")[1])
    assert torch.equal(losses.panels[1][0], _rows(tables["plain"], "normal_random", "loss")[1])
    distance = _rows(tables["plain"], "normal_random", "distance")[1]
    assert (
        labels.panels[1][1]
        == f"plain, sample {50 + DRAWN[1]}:\nlabel {DRAWN[1] % 4}, ‖r‖ = {distance:.2f}"
    )
    assert list(labels.categories) == [str(number) for number in range(len(labels.categories))]
    assert int(max(panel.max() for panel, _ in labels.panels)) == len(labels.categories) - 1
    assert not losses.categories


def test_only_the_first_are_shown():
    charts = dataclasses.replace(PROBE, shown=2).charts({"plain": _measure(), "other": _measure()})
    assert [caption.split(":")[0] for _, caption in charts[0].panels] == [
        f"{m}, sample {s}" for m in ("plain", "other") for s in (50 + DRAWN[:2]).tolist()
    ]
    assert charts[0].across == 2  # a row for each model


def test_a_model_without_rows_is_left_out():
    """As where the shards of all that were drawn failed."""
    rest = (ORDER >= 3).nonzero()[0, 0].item()
    empty = _measure(rows=slice(rest, rest + 1))
    assert len(empty["sample"]) == 0
    assert len(PROBE.charts({"plain": _measure(), "failed": empty})[0].panels) == 3
    assert PROBE.charts({"failed": empty}) == []


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Landscape(count=0), "count must be at least 1; got 0"),
        (lambda: Landscape(shown=0), "shown must be at least 1; got 0"),
        (lambda: Landscape(rows=0), "rows must be at least 1; got 0"),
        (
            lambda: Landscape(size=4),
            "size must be odd and at least 3, so that the sample is the middle point; got 4",
        ),
        (lambda: Landscape(size=1), "size must be odd and at least 3"),
        (
            lambda: Landscape(half_width=0.0),
            "half_width must be a positive length in pixel units, or not given; got 0.0",
        ),
        (
            lambda: Landscape(lengths=0.0),
            "lengths must be a positive number of minimal perturbations; got 0.0",
        ),
        (lambda: Landscape(attack=DeepFool(norm="l2")), "a minimal-norm l2 attack without a box"),
        (
            lambda: Landscape(step=-1.0),
            "step must be a length in pixel units, 0 for the exact Hessian; got -1.0",
        ),
        (
            lambda: Landscape(planes=()),
            (
                "planes must be some of normal_random, normal_curved, random_random, each "
                "once; got none"
            ),
        ),
        (
            lambda: Landscape(planes=("normal_random",) * 2),
            "each once; got normal_random, normal_random",
        ),
        (
            lambda: Landscape(planes=("curved_random",)),
            "planes must be some of .* got curved_random",
        ),
        (
            lambda: Landscape().validate((1, 1, 1), 2),
            r"a plane needs images of at least 2 numbers; got \(1, 1, 1\)",
        ),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_what_only_costs_is_marked():
    """Workers leave it out of the key of a result."""
    Landscape().validate((1, 28, 28), 10)
    assert [
        field.name for field in dataclasses.fields(Landscape) if field.metadata.get("cost")
    ] == ["shown", "rows"]
