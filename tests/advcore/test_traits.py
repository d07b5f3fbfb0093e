"""Every attack, probe and training term on networks as people have them: the numbers of the plain
network, or one line.
"""

import math
import re
import warnings
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from attack_table import ATTACKS, FEW, GRADIENT_FREE, every_kind, run
from torch import nn
from traits import TRAITS, Trait, small

from advcore import Randomness, Targeted, Untargeted, probes, training
from advcore.alterations import RandomNoise
from advcore.attacks import FGSM, PGD, DeepFool, HopSkipJump, MinimalNorm, QFool, SurFree
from advcore.attacks.attack import has_budget, norm_of
from advcore.attacks.l0 import size_by_name
from advcore.classifier import predict
from advcore.confidence_attack import ConfidenceAttack
from advcore.explain import ExplanationAttack, Gradient, OutOfTop
from advcore.learnt import Learnt, with_learnt
from advcore.margins import margins
from advcore.pixel_masks import RandomPixels
from advcore.probes import PROBES
from advcore.subspaces import Complements, DCTGrid, OneColour, RandomSubspaces
from advcore.table_schema import TableColumn, TableSchema
from advcore.tasks import Angle
from advcore.training import TERMS

SETTINGS = {
    "robustness": probes.Robustness((0.1, 0.3), (DeepFool(), PGD(norm="l2", steps=3))),
    "masking": probes.Masking((0.1, 0.3), steps=3, draws=2),
    "margins": probes.Margins(DCTGrid(size=4)),
    "frequency_map": probes.FrequencyMap(size=4),
    "random_margins": probes.RandomMargins((1, 5), attack=DeepFool(norm="l2", box=False)),
    "noise": probes.Noise((0.1, 0.5), draws=3, directions=3, attack=DeepFool(norm="l2", box=False)),
    "curvature": probes.Curvature(spectrum="top", top=2),
    "shared_curvature": probes.SharedCurvature(top=2),
    "shifted": probes.Shifted(Learnt("some"), squares=(1, 2), draws=2),
    "fooled_within": probes.FooledWithin(Learnt("some"), 2, (0.5, 1.0), draws=2),
    "curvature_within": probes.CurvatureWithin(Learnt("some"), 2),
    "energy": probes.Energy(Learnt("some"), directions=(1, 3)),
    "boundary": probes.Boundary(top=2, bottom=2, steps=8, draws=3),
    "landscape": probes.Landscape(count=3, size=3),
    "smoothed": probes.Smoothed(
        draws=50, attack=DeepFool(norm="l2", box=False), attack_draws=3, alpha=0.01
    ),
    "verified": probes.Verified(0.2, methods=("ibp", "lipschitz"), halvings=3),
    "transformations": probes.Transformations(points=2),
    "queries": probes.Queries((SurFree(queries=4),)),
    "label_normals": probes.LabelNormals((10,), attack=DeepFool(norm="l2", box=False)),
    "tangent_plane": probes.TangentPlane((DeepFool(norm="linf"),), DeepFool()),
    "perturbations": probes.Perturbations((DeepFool(),)),
    "fragility": probes.Fragility(
        ExplanationAttack(0.1, goal=OutOfTop(5), steps=2, restarts=1), top=5
    ),
    "examples": probes.Examples(count=3),
    "layer_margins": probes.LayerMargins(Learnt("some"), ("input",)),
    "complexity": probes.Complexity(draws=2),
    "counterfactuals": probes.Counterfactuals(Learnt("some"), DeepFool()),
    "recourse": probes.Recourse(
        TableSchema(tuple(TableColumn(str(n)) for n in range(64))),
        DeepFool(),
    ),
    "masks": probes.Masks(cells=2, draws=1),
    "rejection": probes.Rejection(Learnt("some"), (ConfidenceAttack(0.1, steps=3),)),
    "attributions": probes.Attributions(Gradient(), points=4),
    "map_similarity": probes.MapSimilarity(Gradient(), top=4),
    "corruption_bound": probes.CorruptionBound(RandomNoise(1.0), started=PGD(norm="l2", steps=2)),
    "membership": probes.Membership(PGD(eps=0.1, steps=2), DeepFool(), shift=1),
    "anomaly": probes.Anomaly(attack=PGD(eps=0.1, steps=2)),
    "eigenprofile": probes.Curvature(),
    "curvature at a step": probes.Curvature(
        spectrum="top", top=2, bottom=1, step=0.3, linearity=0.5
    ),
}
"""The settings of probes, by their name in a study: quick ones, and those of required fields.

A probe that is not here is tested with its defaults; one whose fields have none needs a line.
Other names are further settings of a probe.
"""
TERM_SETTINGS = {
    "adversarial": {"attack": PGD(eps=0.05, steps=2)},
    "advprop": {"attack": FGSM(eps=0.05)},
    "weight_perturbation": {"attack": FGSM(eps=0.05)},
    "hat": {"attack": FGSM(eps=0.05)},
    **{
        name: {"eps": 0.05, "steps": 2}
        for name in ("trades", "calibrated", "local_linearity", "acet")
    },
    "drocc": {"radius": 0.1, "steps": 2},
    "free": {"eps": 0.05, "replays": 2},
    "gradient_alignment": {"eps": 0.05},
    "vat": {"eps": 0.05},
    "task": {"task": Angle()},
    "random_direction": {"eps": 0.05},
    "ig_norm": {"eps": 0.05, "steps": 2, "points": 2, "ascent_points": 1},
    "right_reasons": {"irrelevant": RandomPixels(5)},
    "adversary": {"entries": (3, 7)},
}
"""The required fields of training terms, by their name in a recipe."""
OF_LAYERS = ("exact_distance", "curvature_certificate")
"""Names of probes of layers in `torch.nn.Sequential`, as none of these networks is."""
ELSEWHERE = (
    *OF_LAYERS,
    "training_passes",
    "word_projection",
    "task",
    "segmented",
    "anisotropy_spectrum",
    "attribute_scores",
)
"""Names of probes that are not tried here: one counts passes of terms, which are; two read what a
fit learnt; the others take sequences, or outputs that are no logits of
classes."""
EVERY_PROBE = {
    name: SETTINGS.get(name) or kind() for name, kind in PROBES.items() if name not in ELSEWHERE
} | {name: probe for name, probe in SETTINGS.items() if name not in PROBES}
EVERY_TERM = {name: kind(**TERM_SETTINGS.get(name, {})) for name, kind in TERMS.items()} | {
    "adversarial, deepfool": training.AdversarialTraining(DeepFool(steps=5))
}
FURTHER_SETTINGS = ("eigenprofile", "curvature at a step")
"""Names of probes that stand there with other settings, too: not of the fast part."""

CORNERS = (
    "view after batch norm",
    "scaled_dot_product_attention",
    "compiled",
    "autocast inside",
    "half weights",
    "changes its images",
    "under no_grad",
    "a function around batch norm in training mode",
    "1 class",
    "8 x 12 pixels",
)
"""Traits that every attack, probe and term meets in the fast part, each unlike the others."""

OF_EVERY_TRAIT = (
    *(PGD, DeepFool, MinimalNorm, HopSkipJump),
    *("robustness", "margins", "curvature"),
    *("trades", "gradient_penalty", "cure"),
)
"""Kinds of attacks, names of probes and of terms that meet every trait in the fast part: for the
rest a trait comes to the same logits and gradients."""

UNBOUNDED = r"^(no )?bounds (are known of|need|cannot follow)"
"""How a line begins of what proves bounds, and meets a layer that it cannot."""

every_trait = pytest.mark.parametrize("trait", TRAITS.values(), ids=TRAITS)


def pairs(works, told, traits=TRAITS):
    """Every trait with every work of (kind, value); those of the slow part are marked."""
    return [
        pytest.param(
            trait,
            work,
            id=f"{name}-{told(work)}",
            marks=() if name in CORNERS or kind in OF_EVERY_TRAIT else pytest.mark.slow,
        )
        for kind, work in works
        for name, trait in traits.items()
    ]


def measured(trait, classifier, work, blind=False):
    """What `work(classifier)` gives; None where it is refused as the trait says.

    A warning that the trait tells has to come, unless the work is `blind` to gradients.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = work(classifier)
        except ValueError as refusal:
            lines = [line for line in (trait.refused, UNBOUNDED) if line]
            if (
                not any(re.search(line, str(refusal)) for line in lines)
                or not str(refusal).isprintable()
            ):
                raise
            return None
    told = {str(entry.message) for entry in caught if issubclass(entry.category, UserWarning)}
    assert (
        any(trait.told in message for message in told) if trait.told and not blind else not told
    ), told
    assert trait.refused is None or trait.plain is not None, (
        "no line was said, and there is nothing to compare with"
    )
    return result


def check_attack(trait, attack):
    network, images = trait.make(), trait.images()
    labels = torch.arange(len(images)) % 2 if trait.refused else predict(network, images)
    result = measured(
        trait,
        network,
        lambda net: run(attack, net, images, Untargeted(labels)),
        isinstance(attack, GRADIENT_FREE) and not trait.mixes,
    )
    if result is None:
        return
    assert trait.mixes or not (predict(network, result.images) == labels)[result.found].any()
    sizes = size_by_name(norm_of(attack)).size(result.images - images)
    torch.testing.assert_close(result.distance[result.found], sizes[result.found])
    if has_budget(attack):
        assert (result.distance[result.found] <= attack.eps * (1 + 1e-5)).all()
    if trait.plain is None or (trait.close >= 0.1 and isinstance(attack, HopSkipJump | QFool)):
        return  # their noise is too short for logits of half precision
    expected = attacked(attack, trait.plain, trait.shape)
    both = result.found & expected.found
    assert (result.found != expected.found).sum() <= (0 if trait.close < 0.01 else 2)
    ratio = result.distance[both] / expected.distance[both].clamp(min=1e-12)
    assert not both.any() or (ratio.median() - 1).abs() <= trait.close


@cache
def attacked(attack, plain, shape):
    """What an attack finds on the network that several traits have as their plain one."""
    network, images = plain(), Trait(plain, shape=shape).images()
    return run(attack, network, images, Untargeted(predict(network, images)))


@pytest.mark.parametrize(
    ("trait", "attack"),
    pairs([(type(attack), attack) for attack in FEW], lambda attack: type(attack).__name__),
)
def test_attacks(trait, attack):
    check_attack(trait, attack)


@pytest.mark.slow
@every_trait
@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack not in FEW], ids=repr)
def test_all_settings_of_attacks(trait, attack):
    check_attack(trait, attack)


@pytest.mark.parametrize(
    ("trait", "name"),
    pairs([(name, name) for name in EVERY_PROBE if name not in FURTHER_SETTINGS], str),
)
def test_probes(trait, name):
    check_on(trait, name)


@pytest.mark.slow
@every_trait
@pytest.mark.parametrize("name", FURTHER_SETTINGS)
def test_further_settings_of_probes(trait, name):
    check_on(trait, name)


def check_on(trait, name):
    probe, images = EVERY_PROBE[name], trait.images()
    network = trait.make()
    classes = 2 if trait.refused else int(trait.make()(images).shape[1])
    batch = batch_of(images, classes)
    if is_valid(probe, trait.shape, classes):
        check_probe(trait, name, with_learnt(probe, partial(fitted, trait.shape)), network, batch)


def batch_of(images, classes):
    places = torch.arange(len(images))
    return probes.Batch(images, places % classes, places)


def fitted(shape, fit):
    """What a fit could have learnt of inputs of a shape."""
    noise = torch.randn(math.prod(shape), 4, generator=torch.Generator().manual_seed(3))
    directions = torch.linalg.qr(noise).Q.mT.reshape(4, *shape)
    tensors = {"directions": directions, "vector": directions[0], "mean": torch.full(shape, 0.4)}
    tensors |= dict.fromkeys(("input", "threshold", "asked"), torch.tensor(0.7))
    tensors |= {"inputs": directions.abs(), "labels": torch.arange(4) % 2}
    return replace(fit, tensors=tensors)


def is_valid(probe, shape, classes):
    """Whether a probe takes such images; if not, it says so in one line."""
    try:
        probe.validate(shape, classes)
    except ValueError as refusal:
        return not str(refusal).isprintable()
    return True


def check_probe(trait, name, probe, network, batch):
    table = measured(
        trait,
        network,
        lambda net: probe.measure(net, batch, Randomness(0, batch.indices), **_more(probe, net)),
        isinstance(probe, BLIND) and not trait.mixes,
    )
    if table is None:
        return
    probe.summarise(table)
    if trait.plain is None:
        return
    if trait.close >= 0.1 and isinstance(probe, probes.Queries | probes.LabelNormals):
        return  # their noise is too short for logits of half precision
    expected = measured_plainly(name, trait.plain, trait.shape)
    for column, values in expected.items():
        if (
            isinstance(values, torch.Tensor)
            and values.is_floating_point()
            and column not in NOT_CONTINUOUS
        ):
            check_close(column, table[column], values, trait.close)


@cache
def measured_plainly(name, plain, shape):
    """The rows of a probe on the network that several traits have as their plain one."""
    network, images = plain(), Trait(plain, shape=shape).images()
    batch = batch_of(images, int(network(images).shape[1]))
    probe = with_learnt(EVERY_PROBE[name], partial(fitted, shape))
    return probe.measure(network, batch, Randomness(0, batch.indices), **_more(probe, network))


BLIND = (
    probes.FooledWithin,
    probes.Shifted,
    probes.Smoothed,
    probes.Transformations,
    probes.Queries,
    probes.Accuracy,
    probes.Confidence,
    probes.Likeness,
    probes.Pictures,
    probes.Masks,
)
"""Probes that take no gradients, or none of samples that are wrong already, as these are."""

NOT_CONTINUOUS = ("residual", "eigenvectors", "queries", "gradients", "variation", "disagreement")
"""Columns that say how a measurement went, or that may turn where eigenvalues are close."""


def check_close(column, values, expected, close):
    """Nine entries of ten agree, as a share of the largest: a search may end elsewhere by a
    rounding. In low precision two of three.
    """
    enough = 0.9 if close < 0.01 else 0.65
    there = values.isfinite() & expected.isfinite()
    assert (values.isfinite() == expected.isfinite()).double().mean() >= 0.8, column
    if not there.any():
        return
    scale = expected[there].abs().amax().clamp(min=1e-6)
    assert ((values[there] - expected[there]).abs() <= close * scale).double().mean() >= enough, (
        column
    )


def _more(probe, network):
    return {"others": {"other": network}} if isinstance(probe, probes.Comparison) else {}


@pytest.mark.parametrize(
    ("trait", "name"),
    pairs(
        [(name, name) for name in EVERY_TERM],
        str,
        {
            name: trait
            for name, trait in TRAITS.items()
            if trait.trains and not (trait.told or trait.refused)
        },
    ),
)
def test_terms(trait, name):
    term = EVERY_TERM[name]
    try:
        value, gradient = _step(term, trait.make(), trait.images())
    except ValueError as refusal:
        if not re.search(UNBOUNDED, str(refusal)):
            raise
        return
    if trait.plain is None:
        return
    expected, wanted = _step(term, trait.plain(), trait.images())
    assert abs(value - expected) <= trait.close * max(abs(expected), 0.5)
    torch.testing.assert_close(
        gradient, wanted, rtol=0, atol=10 * trait.close * float(wanted.abs().max()) + 1e-7
    )


def _step(term, network, images):
    """A term's value and the gradient of all weights."""
    torch.manual_seed(0)
    network.train()
    prepared = (
        term.prepare(network) if hasattr(term, "prepare") and any(_norms(network)) else network
    )
    if hasattr(term, "prepare") and prepared is network:
        return 0.0, torch.zeros(1)
    labels = torch.arange(len(images)) % 2
    randomness = Randomness(0, torch.arange(len(images)))
    values = (
        term.replay(prepared, images, labels, randomness)
        if hasattr(term, "replay")
        else iter([term(prepared, images, labels, randomness)])
    )
    value = next(values)
    value.backward()
    return value.item(), torch.cat(
        [
            weight.grad.double().flatten()
            for weight in network.parameters()
            if weight.grad is not None
        ]
    )


def _norms(network):
    return [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]


@every_kind
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
)
def test_no_empty_batch_reaches_a_network(attack, seed):
    """`Small` raises on one. Some samples leave early, some late, some never."""
    network, images = (
        small(seed=seed),
        torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(seed)),
    )
    own = predict(network, images)
    for criterion in (
        Untargeted(own),
        Targeted((own + 1) % 4),
        Untargeted((own + torch.arange(6) % 2) % 4),
    ):
        run(attack, network, images, criterion)


FAMILIES = [RandomSubspaces(3, 4), OneColour(DCTGrid(4)), Complements(DCTGrid(4))]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: type(family).__name__)
def test_no_empty_batch_in_families(family):
    for seed in range(3):
        network, images = (
            small(seed=seed),
            torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(seed)),
        )
        for rows in (1, 5, 1024):
            assert margins(network, images, family((1, 8, 8)), rows=rows).found.all()


def test_the_docs_name_every_trait():
    table = (Path(__file__).parents[2] / "docs/networks.md").read_text()
    assert re.findall(r"^\| ([^|]+?) \| .* \| .* \| .* \|$", table, re.M)[1:] == [*TRAITS]
