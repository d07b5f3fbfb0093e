"""What every probe must do. A new probe is one line in the table."""

import math
import pickle
import re
from dataclasses import asdict, fields, replace
from functools import cache

import oracles
import pytest
import torch

from advcore import Randomness, probes
from advcore.alterations import RandomNoise
from advcore.attacks import FGSM, PGD, DeepFool, GeoDA, MinimalNorm, NearestUnlike, SurFree
from advcore.confidence_attack import ConfidenceAttack
from advcore.explain import ExplanationAttack, OutOfTop
from advcore.learnt import Learnt, with_learnt
from advcore.randomness import drawn_places
from advcore.subspaces import DCTDiagonal
from advcore.table_schema import TableColumn, TableSchema
from advcore.training import CrossEntropy
from advcore.workers.probe_checks import check_columns

FIT = Learnt(
    "fit",
    "key",
    {
        "directions": torch.eye(16, dtype=torch.float64)[:4].view(4, 1, 4, 4),
        "vector": oracles.images(1)[0] - 0.5,
        "mean": oracles.images(1)[0],
        **dict.fromkeys(
            ("energy", "held_out", "null_energy", "null_held_out"), torch.full((16,), 1 / 16)
        ),
        "inputs": oracles.images(9, seed=1),
        "labels": torch.arange(9) % 4,
        **dict.fromkeys(
            ("input", "first", "last", "temperature", "threshold", "asked"), torch.tensor(0.7)
        ),
    },
)
EXEMPLARS = Learnt(
    "exemplars",
    "key",
    {"inputs": oracles.images(6, seed=1), "labels": torch.arange(6), "indices": torch.arange(6)},
)
ATTRIBUTE = Learnt(
    "attribute",
    "key",
    {
        "count": torch.tensor(16),
        "mean": torch.zeros(16),
        "spread": torch.ones(16),
        "projection": torch.ones(2, 17) / 17,
        "weights": torch.arange(19.0),
    },
)
PROBES = {
    "robustness": probes.Robustness((0.1, 0.3), (DeepFool(), PGD(norm="l2", steps=3))),
    "masking": probes.Masking((0.1, 0.3), steps=3, draws=2),
    "margins": probes.Margins(DCTDiagonal(size=2, stride=2)),
    "frequency_map": probes.FrequencyMap(size=2),
    "random_margins": probes.RandomMargins((1, 5)),
    "normals": probes.Normals(),
    "transfer": probes.Transfer(),
    "noise": probes.Noise((0.1, 0.5), draws=5, directions=3),
    "curvature": probes.Curvature(temperature=2.0),
    "curvature-top": probes.Curvature(spectrum="top", top=2, temperature=2.0),
    "curvature-step": probes.Curvature(
        spectrum="top", top=2, bottom=1, step=0.3, linearity=0.5, temperature=2.0
    ),
    "curvature-count": probes.Curvature(temperature=2.0, count=2),
    "boundary-count": probes.Boundary(top=2, bottom=2, steps=8, count=2),
    "shared_curvature": probes.SharedCurvature(top=2, directions=4),
    "shifted": probes.Shifted(FIT, squares=(1, 2), draws=2),
    "fooled_within": probes.FooledWithin(FIT, 2, (0.5, 1.0), draws=2),
    "curvature_within": probes.CurvatureWithin(FIT, 2),
    "energy": probes.Energy(FIT, directions=(1, 4), attack=DeepFool(norm="l2", box=False)),
    "anisotropy_spectrum": probes.AnisotropySpectrum(FIT, directions=(4,)),
    "boundary": probes.Boundary(top=2, bottom=2, steps=8),
    "landscape": probes.Landscape(count=4, size=3),
    "smoothed": probes.Smoothed(
        draws=200, attack=MinimalNorm(norm="l2", box=False), attack_draws=4
    ),
    "smoothed-blocks": probes.Smoothed(draws=200, blocks=2),
    "verified": probes.Verified(0.2, attack=MinimalNorm(norm="linf"), halvings=4),
    "curvature_certificate": probes.CurvatureCertificate(),
    "exact_distance": probes.ExactDistance(),
    "transformations": probes.Transformations(points=2),
    "queries": probes.Queries((GeoDA(queries=40), SurFree(queries=10)), MinimalNorm()),
    "label_normals": probes.LabelNormals((5, 20)),
    "tangent_plane": probes.TangentPlane((MinimalNorm(norm="l1"),)),
    "perturbations": probes.Perturbations((MinimalNorm(norm="l1"), DeepFool())),
    "alignment": probes.Alignment(),
    "attributions": probes.Attributions(points=4),
    "attribute_scores": probes.AttributeScores(ATTRIBUTE, layer="input"),
    "fragility": probes.Fragility(
        ExplanationAttack(0.1, goal=OutOfTop(5), steps=2, restarts=2), top=5
    ),
    "map_similarity": probes.MapSimilarity(top=4),
    "accuracy": probes.Accuracy(),
    "confidence": probes.Confidence(FIT),
    "rejection": probes.Rejection(FIT, (ConfidenceAttack(0.1, steps=3),)),
    "membership": probes.Membership(PGD(0.1, "l2", 3), DeepFool(), shift=1),
    "anomaly": probes.Anomaly(FIT, attack=PGD(0.3, "l2", 3)),
    "corruption_bound": probes.CorruptionBound(
        RandomNoise(1.0), (FGSM(norm="l2"),), PGD(norm="l2", steps=3)
    ),
    "pictures": probes.Pictures(),
    "likeness": probes.Likeness(EXEMPLARS, EXEMPLARS),
    "layer_margins": probes.LayerMargins(FIT),
    "complexity": probes.Complexity(draws=2),
    "training_passes": probes.TrainingPasses({"plain": CrossEntropy()}),
    "counterfactuals": probes.Counterfactuals(FIT, MinimalNorm(), several=2),
    "recourse": probes.Recourse(
        TableSchema(tuple(TableColumn(str(n)) for n in range(16))), NearestUnlike(FIT, steps=0)
    ),
    "masks": probes.Masks(cells=2, draws=2),
    "examples": probes.Examples(count=4),
    "examples-more": probes.Examples(DeepFool(), count=4, more=(DeepFool(norm="linf"),)),
    "task": probes.OnTask(probe=probes.Robustness((0.1,), (DeepFool(),))),
    "segmented": probes.Segmented(count=4),
}
ONE_HIDDEN = {"width": 6, "depth": 1}
NETWORKS = {
    probes.CurvatureCertificate: lambda: oracles.softplus(**ONE_HIDDEN),
    probes.ExactDistance: lambda: oracles.relu(**ONE_HIDDEN),
    probes.OnTask: lambda: oracles.relu(classes=16),
    probes.Segmented: lambda: oracles.relu(classes=16),
}
"""The networks of probes that read the layers, or an output of each pixel."""
BATCH = probes.Batch(oracles.images(6), torch.arange(6) % 4, torch.arange(6))
PLACES = drawn_places(BATCH.indices)

every_probe = pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)


@every_probe
def test_the_model_is_left_alone_and_measured_in_evaluation_mode(probe):
    network, source = oracles.Moody(head=_network(probe)), Randomness(0, BATCH.indices)
    before = oracles.state(network)
    table = probe.measure(network, BATCH, source, **_more(probe, network))
    assert oracles.state(network) == before
    expected = probe.measure(network.eval(), BATCH, source, **_more(probe, network))
    for name, column in table.items():
        if isinstance(column, torch.Tensor):
            torch.testing.assert_close(column, expected[name], equal_nan=True)
        else:
            assert column == expected[name]


@every_probe
def test_columns_are_detached_and_hold_the_sample(probe):
    table = _whole(probe)
    alone = isinstance(probe, probes.AnisotropySpectrum)  # its rows stand at one sample
    few = 1 if alone else getattr(probe, "count", None) or 6
    assert set(table["sample"].tolist()) == set((few > PLACES).nonzero()[:, 0].tolist())
    assert not any(
        isinstance(column, torch.Tensor) and column.requires_grad for column in table.values()
    )


@every_probe
def test_columns_that_are_declared_shares_are_there_and_lie_in_0_to_1(probe):
    declared = probe.shares if isinstance(probe, probes.HoldsShares) else ()
    table = _whole(probe)
    for name in declared:
        held = table[name].double()
        assert ((held >= 0) & (held <= 1) | held.isnan()).all(), name


@every_probe
def test_shards_give_the_rows_of_the_whole(probe):
    """Sample by sample; a word of a row is the same too."""
    whole, *halves = _whole(probe), *(_measure(probe, rows) for rows in (slice(2), slice(2, None)))
    for name, column in whole.items():
        joined = [part for half in halves for part in _by_sample(half, name)]
        for own, expected in zip(joined, _by_sample(whole, name), strict=True):
            if isinstance(column, torch.Tensor):
                torch.testing.assert_close(own, expected, rtol=1e-5, atol=1e-7, equal_nan=True)
            else:
                assert own == expected


@every_probe
def test_every_number_says_of_what_it_is(probe):
    table = _whole(probe)
    summary = probe.summarise(probe.merged(table) if isinstance(probe, probes.Counting) else table)
    numbers = [*summary.scalars, *summary.curves]
    assert [number for number in numbers if len(summary.meaning(number).split()) < 4] == []


@cache
def _whole(probe):
    return _measure(probe, slice(None))


def _measure(probe, rows):
    batch = probes.Batch(
        BATCH.inputs[rows], BATCH.labels[rows], BATCH.indices[rows], rows.start or 0, PLACES[rows]
    )
    return probe.measure(
        _network(probe), batch, Randomness(0, batch.indices), **_more(probe, oracles.softplus())
    )


def _network(probe):
    return NETWORKS.get(type(probe), oracles.relu)()


def _more(probe, other):
    """What a comparison is handed besides."""
    return (
        {"others": {"itself": oracles.relu(), "other": other}}
        if isinstance(probe, probes.Comparison)
        else {}
    )


@every_probe
def test_rows_are_those_of_the_samples_and_one_too_few_is_seen(probe):
    table = _whole(probe)
    assert check_columns(table, probe, BATCH) == len(table["sample"])
    short = {name: column[:-1] for name, column in table.items()}
    with pytest.raises(
        ValueError,
        match=r"a probe must give as many rows for each of its|the column `sample` must hold",
    ):
        check_columns(short, probe, BATCH)


def _by_sample(table, name):
    """A column's rows of each sample."""
    rows = [
        (table["sample"] == sample).nonzero()[:, 0].tolist() for sample in table["sample"].unique()
    ]
    column = table[name]
    return [
        column[own] if isinstance(column, torch.Tensor) else [column[row] for row in own]
        for own in rows
    ]


@pytest.mark.parametrize("name", ["curvature-count", "boundary-count"])
def test_a_table_without_rows_has_nothing_to_say(name):
    """As where the shards of all samples that were drawn failed."""
    probe = PROBES[name]
    table = _measure(probe, slice(0, 6))
    nothing = table.take(torch.arange(0))
    assert not probe.summarise(nothing).scalars
    assert probe.charts({"failed": nothing}) == []
    assert probe.charts({"one": table, "failed": nothing})[0].series[0].label.startswith("one")


class Reshaped(torch.nn.Module):
    """A network of inputs of any shape that has 16 numbers."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, inputs):
        return self.network(inputs.reshape(-1, 1, 4, 4))


ALL_PROBES = {**PROBES, "word_projection": probes.WordProjection(EXEMPLARS)}  # no pictures


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(16,), (4, 4)], ids=["table", "sequences"])
@pytest.mark.parametrize("probe", ALL_PROBES.values(), ids=ALL_PROBES)
def test_rows_of_a_table_and_sequences_are_measured_or_refused_by_a_sentence(probe, shape):
    """What needs pictures, or words, says so before any work."""

    def reshaped(fit):
        known = {
            name: own.reshape(*own.shape[:-3], *shape) if own.dim() > 2 else own
            for name, own in fit.tensors.items()
        }
        return Learnt(fit.name, fit.key, known)

    probe = with_learnt(probe, reshaped)
    batch = replace(BATCH, inputs=BATCH.inputs.view(-1, *shape), places=PLACES)
    refused = None
    try:
        probe.validate(shape, 4)
    except ValueError as error:
        refused = str(error)
    if refused is not None:
        assert re.search(r"needs pictures|in sequences \(T, E\) alone", refused)
        return
    others = _more(probe, Reshaped(oracles.softplus()))
    network = Reshaped(_network(probe)) if type(probe) not in NETWORKS else _network(probe)
    table = probe.measure(network, batch, Randomness(0, batch.indices), **others)
    assert check_columns(table, probe, batch) == len(table["sample"])


@every_probe
def test_a_probe_is_a_value(probe):
    assert replace(probe) == probe
    assert hash(replace(probe)) == hash(probe)
    assert pickle.loads(pickle.dumps(probe)) == probe
    assert len(asdict(probe)) == len(fields(probe))


@every_probe
def test_the_size_of_a_batch_is_a_mere_cost(probe):
    """Workers leave it out of the key of a result."""
    assert all(field.metadata.get("cost") for field in fields(probe) if field.name == "rows")


def test_every_named_probe_is_tested():
    tested = {type(probe) for probe in ALL_PROBES.values()}  # of words alone: test_words.py
    missing = [name for name, kind in probes.PROBES.items() if kind not in tested]
    assert not missing, (
        f'write `"{missing[0]}": probes.{probes.PROBES[missing[0]].__name__}(...),` into PROBES at '
        "the top of tests/advcore/probes/test_probe.py, with settings for images (1, 4, 4)"
    )


def test_a_meaning_stands_for_all_names_that_begin_with_it_and_the_longest_one_counts():
    summary = probes.Summary(
        meanings={"median_margin": "of all blocks", "median_margin/first": "of the lowest block"}
    )
    assert summary.meaning("median_margin/first") == "of the lowest block"
    assert (
        summary.meaning("median_margin/last") == summary.meaning("median_margin") == "of all blocks"
    )
    assert summary.meaning("median") == summary.meaning("found") == ""


def test_a_batch_that_knows_no_others_draws_of_its_own():
    some = BATCH.drawn(2)
    assert torch.equal(some.indices, BATCH.indices[PLACES < 2])
    assert torch.equal(some.inputs, BATCH.inputs[PLACES < 2])
    assert len(BATCH.drawn(9).inputs) == 6


def test_the_median_is_between_the_middle_ones():
    """inf, not found, counts; NaN does not."""
    assert probes.median(torch.tensor([3.0, 1.0, 2.0, 10.0])) == 2.5
    assert probes.median(torch.tensor([3.0, torch.nan, 1.0, torch.inf])) == 3
    assert probes.median(torch.tensor([3.0, torch.inf])) == torch.inf
    assert math.isnan(probes.median(torch.tensor([torch.nan])))
