import math

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import FMN, PGD, DeepFool
from advcore.probes import Batch, Comparison, Transfer

COUNT, DIMENSION = 12, 16
IMAGES = oracles.images(COUNT)
ANGLE = math.pi / 3


def _plane(normal, offset=0.0):
    """Two classes on both sides of `n^T (x - 1/2) = offset`."""
    affine = oracles.Affine(2)
    with torch.no_grad():
        affine.weight.copy_(torch.stack([normal, torch.zeros_like(normal)]))
        affine.bias.copy_(torch.tensor([-offset, 0.0]))
    return affine


AXIS, OTHER = torch.eye(DIMENSION, dtype=torch.float64)[:2]
ONE = _plane(AXIS)
TURNED = _plane(math.cos(ANGLE) * AXIS + math.sin(ANGLE) * OTHER)
NETWORKS = {"one": ONE, "turned": TURNED, "across": _plane(OTHER)}


def _measure(probe, network=ONE, others=NETWORKS, images=IMAGES):
    batch = Batch(
        images, torch.zeros(len(images), dtype=torch.int64), torch.arange(70, 70 + len(images))
    )
    return probe.measure(network, batch, Randomness(0, batch.indices), others=others)


def _column(table, name, to, scale):
    chosen = torch.tensor([word == to for word in table["to"]]) & (table["scale"] == scale)
    return table[name][chosen]


def test_planes_at_an_angle():
    """X ends at x - 1.02 s a e_1, a its first coordinate.

    The plane turned by t is crossed where cos t a + sin t b changes its sign; the plane across,
    which does not see e_1, nowhere.
    """
    probe = Transfer(scales=(0.5, 1.0, 3.0))
    table = _measure(probe)
    a, b = (IMAGES - 0.5).flatten(1)[:, :2].T
    seen = math.cos(ANGLE) * a + math.sin(ANGLE) * b
    for scale in probe.scales:
        turned = seen * (seen - math.cos(ANGLE) * 1.02 * scale * a) < 0
        assert torch.equal(_column(table, "fooled", "one", scale), torch.full((COUNT,), scale >= 1))
        assert torch.equal(_column(table, "fooled", "turned", scale), turned)
        assert not _column(table, "fooled", "across", scale).any()
    torch.testing.assert_close(_column(table, "distance", "turned", 3.0), 1.02 * a.abs())
    assert _column(table, "sample", "across", 0.5).tolist() == list(range(70, 70 + COUNT))
    assert set(table["status"]) == {"broken"}
    summary = probe.summarise(table)
    shares = [
        _column(table, "fooled", "turned", scale).double().mean().item() for scale in probe.scales
    ]
    assert 0 < shares[1] < shares[2] < 1
    assert list(summary.curves["transfer_rate_over_scale/turned"].y) == shares
    assert summary.scalars["transfer_rate/turned"] == shares[0]
    assert summary.scalars["found"] == 1
    assert summary.scalars["median_distance"] == pytest.approx(
        (1.02 * a.abs()).quantile(0.5).item(), rel=1e-12
    )


def test_a_rate_is_a_share_of_what_was_found():
    """PGD finds those within its eps; half of the others are fooled by chance and do not count."""
    probe = Transfer(PGD(norm="l2", eps=0.25, steps=20), scales=(1.0,))
    table = _measure(probe, others={"same": _plane(2 * AXIS), "moved": _plane(AXIS, 10.0)})
    a = (IMAGES - 0.5).flatten(1)[:, 0].abs()
    found = _column(table, "found", "same", 1.0)
    assert torch.equal(found, a < 0.25)
    assert 0 < found.sum() < COUNT
    assert probe.summarise(table).scalars["transfer_rate/same"] == 1
    assert probe.summarise(table).scalars["transfer_rate/moved"] == 0
    nothing = _measure(probe, network=_plane(AXIS, 10.0))
    assert math.isnan(probe.summarise(nothing).scalars["transfer_rate/one"])
    assert nothing["distance"].isinf().all()


def test_an_attack_in_the_box_stays_there_when_it_is_lengthened():
    seen = []

    def watched(images):
        seen.append(images)
        return ONE(images)

    for box in (True, False):
        seen.clear()
        _measure(Transfer(DeepFool(box=box), scales=(1.0, 9.0)), others={"watched": watched})
        assert (torch.cat(seen).amin() >= 0) == box


def test_random_perturbations_are_as_long():
    """Along a random direction of length r a plane at distance a is crossed where r z_1 < -a."""
    probe = Transfer(scales=(1.0, 9.0), random=3)
    seen = []

    def watched(images):
        seen.append(images)
        return ONE(images)

    table = _measure(probe, others={"watched": watched})
    attack, *chance = torch.stack([(images - IMAGES).flatten(1) for images in seen[1::2]]).split(2)
    a = (IMAGES - 0.5).flatten(1)[:, 0]
    crossed = []
    for own in chance:
        torch.testing.assert_close(own.norm(dim=2), attack.norm(dim=2))
        torch.testing.assert_close(own[1], 9 * own[0])
        crossed.append(a * (a + own[:, :, 0]) < 0)
    assert not torch.equal(chance[0], chance[1])
    expected = torch.stack(crossed).double().mean(0)
    assert 0 < expected[1].mean() < 1
    random = torch.tensor([word == "random" for word in table["perturbation"]])
    assert torch.equal(table["fooled"][random], expected.flatten())
    assert table["fooled"][~random].all()
    summary = probe.summarise(table)
    rates = summary.curves["random_rate_over_scale/watched"].y
    assert list(rates) == pytest.approx(expected.mean(1).tolist())
    assert summary.curves["transfer_rate_over_scale/watched"].y == [1, 1]
    _, lines = probe.charts({"one": table})
    assert [line.label for line in lines.series] == ["one → watched", "one → watched, random"]
    assert [line.thin for line in lines.series] == [False, True]
    assert lines.series[1].y.tolist() == pytest.approx([100 * rate for rate in rates])


def test_the_partners_are_all_models_unless_they_are_named():
    assert Transfer().partners(("a", "b")) == ("a", "b")
    assert Transfer(to=("b",)).partners(("a", "b")) == ("b",)
    assert isinstance(Transfer(), Comparison)


def test_charts():
    probe = Transfer(to=("turned", "one"), scales=(1.0, 3.0))
    others = {name: NETWORKS[name] for name in probe.to}
    tables = {name: _measure(probe, NETWORKS[name], others) for name in ("one", "across", "turned")}
    maps, lines = probe.charts(tables)
    assert (maps.x_names, maps.y_names) == (
        ["turned", "one"],
        ["turned", "across", "one"],
    )  # upwards
    for place, (panel, caption) in enumerate(maps.panels):
        assert caption == f"perturbations × {probe.scales[place]:g}"
        for row, model in enumerate(maps.y_names):
            rates = [
                probe.summarise(tables[model]).curves[f"transfer_rate_over_scale/{name}"].y[place]
                for name in maps.x_names
            ]
            assert panel[row].tolist() == pytest.approx([100 * rate for rate in rates])
    assert [series.label for series in lines.series] == [
        "one → turned",
        "across → turned",
        "across → one",
        "turned → one",
    ]
    assert len(Transfer(scales=(1.0,)).charts({"one": _measure(Transfer(scales=(1.0,)))})) == 1


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"attack": PGD()}, "transfer takes no eps from elsewhere: give pgd-linf its own eps"),
        ({"to": ("a", "b", "a")}, "to must name each model once; got a, b, a"),
        ({"attack": FMN(norm="l1"), "random": 1}, "random perturbations are of l2 or linf; the"),
        ({"random": -1}, "random must be a number of perturbations from 0; got -1"),
        ({"scales": ()}, r"scales must be positive numbers, ascending; got \(\)"),
        ({"scales": (1.0, 1.0)}, r"scales must be positive numbers, ascending; got \(1.0, 1.0\)"),
        ({"scales": (0.0, 1.0)}, "scales must be positive numbers, ascending"),
        ({"scales": (1.0, math.inf)}, "scales must be positive numbers, ascending"),
    ],
)
def test_bad_settings_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        Transfer(**settings)


def test_nobody_to_show_it_to():
    with pytest.raises(
        ValueError,
        match="transfer shows its images to other networks; got none: give `others`, by name",
    ):
        _measure(Transfer(), others={})
