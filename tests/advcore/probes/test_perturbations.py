"""What minimal perturbations change: exact for affine classifiers, pixels, refusals."""

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import FMN, PGD, MinimalNorm, SparseFool
from advcore.probes import Batch, Perturbations, Table
from advcore.workers.probe_checks import check_columns

AFFINE = oracles.Affine(2, (3, 4, 4))
IMAGES = oracles.images(6, (3, 4, 4), spread=0.2)
PROBE = Perturbations((FMN(norm="l0"), *(MinimalNorm(norm=norm) for norm in ("l1", "l2", "linf"))))


def _measure(probe=PROBE, network=AFFINE):
    batch = Batch(IMAGES, torch.zeros(6, dtype=torch.int64), torch.arange(6))
    table = Table(probe.measure(network, batch, Randomness(0, batch.indices)))
    check_columns(table, probe, batch)
    return table


def test_sizes_are_those_of_an_affine_classifier():
    table = _measure()
    assert table.numbers("found").all()
    for norm in ("l1", "l2", "linf"):
        own = table.take(table.rows_with("attack", f"minimal_norm-{norm}"))
        torch.testing.assert_close(own.numbers("distance"), own.numbers(norm))
        torch.testing.assert_close(
            own.numbers(norm), AFFINE.margins(IMAGES, norm), rtol=1e-3, atol=0
        )
    l2, linf = (table.take(table.rows_with("attack", f"minimal_norm-{n}")) for n in ("l2", "linf"))
    assert (l2.numbers("changed") == 1).all()
    assert (linf.numbers("linf") <= l2.numbers("linf")).all()
    few = table.take(table.rows_with("attack", "fmn-l0"))
    counted = few.numbers("distance") / 16  # coordinates, of which a pixel has three
    assert (few.numbers("changed") <= counted).all()
    assert (few.numbers("changed") >= counted / 3).all()
    assert PROBE.summarise(table).scalars["median_changed/minimal_norm-l2"] == 1


def test_small_changes_are_not_visible():
    near = oracles.Affine(2, (3, 4, 4), scale=1.0)
    near.bias.data = -(near.weight @ (IMAGES[0].flatten() - 0.5)).detach()
    near.bias.data[0] += 1e-4
    table = _measure(Perturbations((MinimalNorm(norm="linf"),)), near)
    first = table.take(torch.arange(1))
    assert first.numbers("changed").item() == 1
    assert first.numbers("visible").item() == 0


def test_what_is_not_found_has_no_size():
    table = _measure(Perturbations((SparseFool(),)), oracles.Constant(2.0, 0.0))
    assert not table.numbers("found").any()
    assert table.numbers("distance").isinf().all()
    assert table.numbers("changed").isnan().all()
    assert set(table.words("status")) == {"failed"}


def test_the_chart_has_a_line_an_attack():
    (chart,) = PROBE.charts({"affine": _measure()})
    assert [series.label for series in chart.series] == [
        "affine, fmn-l0",
        *(f"affine, minimal_norm-{norm}" for norm in ("l1", "l2", "linf")),
    ]
    assert not PROBE.summarise(_measure().take(torch.arange(0))).scalars


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Perturbations(()), "one or more minimal-norm attacks, each once"),
        (lambda: Perturbations((SparseFool(), SparseFool())), "each once"),
        (lambda: Perturbations((PGD(eps=0.1),)), "needs minimal-norm attacks, .* got pgd-linf"),
        (lambda: Perturbations().validate((8,), 2), "the share of changed pixels"),
    ],
)
def test_bad_settings_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
