"""Adversarial, projected and pseudo-labelled samples against their definitions."""

from dataclasses import replace

import pytest
import torch
from learning import learn
from oracles import Affine, Constant, images

from advcore.attacks import DDN, PGD, DeepFool, MinimalNorm, SmallestEps, Square, Within
from advcore.criteria import Targeted
from advcore.derived import DERIVATIONS, AdversarialExamples, Projected, PseudoLabelled
from advcore.derived.targets import target_classes
from advcore.fits import ClassStatistics
from advcore.learnt import Learnt
from advcore.probes.probe import Batch
from advcore.randomness import Randomness
from advcore.subspaces import Fitted
from advcore.threats import Along, Colour

COUNT, SHAPE = 24, (1, 4, 4)
NETWORK = Affine(scale=3.0)
NEVER = Constant(0.0, -1.0, -1.0)


def some(dtype: torch.dtype = torch.float64, spread: float = 0.4) -> Batch:
    x = images(COUNT, SHAPE, dtype, spread)
    return Batch(x, torch.arange(COUNT) % 3, 5 * torch.arange(COUNT))


def made_by(derivation, batch: Batch | None = None, network=NETWORK, seed: int = 0):
    batch = some() if batch is None else batch
    return derivation.make(network, batch, Randomness(seed, batch.indices))


def predictions(inputs: torch.Tensor) -> torch.Tensor:
    return NETWORK(inputs.double()).argmax(1)


PGD_L2 = PGD(1.5, "l2", 20)


@pytest.mark.parametrize("targets", ["random", "next"])
@pytest.mark.parametrize("attack", [PGD_L2, MinimalNorm(), Square(0.5, queries=50)], ids=repr)
def test_targeted_examples_have_the_label_of_their_target(targets, attack):
    batch = some()
    made = made_by(AdversarialExamples(attack, targets, "target"), batch)
    drawn = target_classes(targets, batch.labels, 3, Randomness(0, batch.indices))
    assert torch.equal(made.labels, drawn)
    assert torch.equal(made.columns["target"], drawn)
    assert torch.equal(made.columns["predicted"], predictions(made.inputs))
    assert torch.equal(made.columns["found"], predictions(made.inputs) == drawn)
    assert made.columns["found"].any()
    assert ((made.inputs >= 0) & (made.inputs <= 1)).all()


def test_the_change_of_a_threat_model_is_told_in_l2():
    batch = some()
    attack = PGD(0.3, steps=20, threat=Colour())
    made = made_by(AdversarialExamples(attack, "random", "target"), batch)
    length = (made.inputs - batch.inputs).flatten(1).norm(dim=1)
    found = made.columns["found"]
    assert found.any()
    torch.testing.assert_close(made.columns["distance"][found], length[found])


@pytest.mark.parametrize("all_steps", [True, False])
def test_examples_of_a_budget_lie_inside_it(all_steps):
    batch = some()
    made = made_by(AdversarialExamples(PGD_L2, "random", "target", all_steps), batch)
    length = (made.inputs - batch.inputs).flatten(1).norm(dim=1)
    assert (length <= 1.5 + 1e-6).all()
    found = made.columns["found"]
    assert torch.allclose(made.columns["distance"][found], length[found])
    assert made.columns["distance"][~found].isinf().all()


def test_all_steps_go_on_where_the_first_example_was_found():
    batch = some()
    ends = [made_by(AdversarialExamples(PGD_L2, "next", "target", way)) for way in (True, False)]
    loss = [
        torch.nn.functional.cross_entropy(NETWORK(made.inputs), made.labels).item() for made in ends
    ]
    assert loss[0] < loss[1]
    attack = PGD_L2(NETWORK, batch.inputs, Targeted(ends[1].labels), Randomness(0, batch.indices))
    assert torch.equal(ends[1].inputs, attack.images.float().double())


def test_the_shortest_way_out_of_the_predicted_class():
    batch = some(spread=0.1)  # the box does not matter
    made = made_by(AdversarialExamples(MinimalNorm(), labels="predicted"), batch)
    assert made.columns["found"].all()
    assert (made.columns["target"] == -1).all()
    assert torch.equal(made.labels, predictions(made.inputs))
    assert (made.labels != predictions(batch.inputs)).all()
    assert torch.allclose(made.columns["distance"], NETWORK.margins(batch.inputs), rtol=1e-3)


def test_true_labels_leave_what_is_wrong_already():
    batch = some()
    made = made_by(AdversarialExamples(DDN()), batch)
    wrong = predictions(batch.inputs) != batch.labels
    assert wrong.any()
    assert torch.equal(made.labels, batch.labels)
    assert torch.equal(made.inputs[wrong], batch.inputs[wrong].float().double())
    assert made.columns["found"].all()


def test_found_is_said_of_what_is_stored():
    batch = some(spread=0.1)
    made = made_by(AdversarialExamples(MinimalNorm(), labels="predicted"), batch)
    assert torch.equal(made.inputs, made.inputs.float().double())


@pytest.mark.filterwarnings("ignore:zero_gradients")
def test_not_found_is_said():
    made = made_by(AdversarialExamples(PGD(0.01, "l2"), "next", "target"), network=NEVER)
    found = made.columns["found"]
    assert torch.equal(found, made.labels == 0)  # the class that the network always says
    assert torch.equal(made.columns["distance"].isinf(), ~found)


@pytest.mark.parametrize("attack", [PGD_L2, PGD(0.2, steps=10), DDN()], ids=repr)
def test_examples_do_not_depend_on_the_batch(attack):
    batch, derivation = some(), AdversarialExamples(attack, "random", "target")
    whole = made_by(derivation, batch)
    parts = []
    for rows in torch.arange(COUNT).split(7):
        part = Batch(batch.inputs[rows], batch.labels[rows], batch.indices[rows])
        parts.append(made_by(derivation, part))
    assert torch.equal(torch.cat([part.labels for part in parts]), whole.labels)
    assert torch.allclose(torch.cat([part.inputs for part in parts]), whole.inputs, atol=1e-5)


def test_attacks_without_a_box_leave_it():
    assert AdversarialExamples(PGD_L2).stays_in_box(True)
    assert not AdversarialExamples(PGD_L2).stays_in_box(False)
    assert not AdversarialExamples(PGD(1.0, "l2", box=False)).stays_in_box(True)
    batch = some()
    far = made_by(AdversarialExamples(PGD(5.0, "l2", box=False), "next", "target"), batch)
    assert far.inputs.min() < 0
    assert made_by(AdversarialExamples(DeepFool(), labels="predicted"), batch).labels.shape == (
        COUNT,
    )


def test_settings_that_make_no_examples():
    with pytest.raises(ValueError, match="labels: target needs targets"):
        AdversarialExamples(PGD_L2, labels="target")
    with pytest.raises(ValueError, match="needs eps"):
        AdversarialExamples(PGD()).validate(SHAPE, 3)
    with pytest.raises(ValueError, match="another class"):
        AdversarialExamples(PGD_L2).validate(SHAPE, 1)
    AdversarialExamples(PGD_L2).validate(SHAPE, 3)


def directions(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    square = torch.randn(16, 16, dtype=torch.float64, generator=generator)
    return torch.linalg.qr(square).Q.mT[:count].reshape(count, *SHAPE)


def fitted(name: str = "normals", **tensors: torch.Tensor) -> Learnt:
    return Learnt(name, "f00d", tensors)


def project(batch: Batch, **settings) -> torch.Tensor:
    basis = settings.pop("basis", directions(5))
    return made_by(Projected(fitted(directions=basis), box=False, **settings), batch).inputs


def moved(batch: Batch, inputs: torch.Tensor) -> Batch:
    return Batch(inputs, batch.labels, batch.indices)


def test_both_parts_are_projections_and_orthogonal():
    batch, basis = some(), directions(5)
    inside, rest = project(batch), project(batch, keep="complement")
    assert torch.allclose(project(moved(batch, inside)), inside)
    assert torch.allclose(project(moved(batch, rest), keep="complement"), rest)
    assert torch.allclose(inside + rest, batch.inputs)
    assert (inside * rest).flatten(1).sum(1).abs().max() < 1e-12
    assert (rest.flatten(1) @ basis.flatten(1).mT).abs().max() < 1e-12
    # a dense oracle
    matrix = basis.flatten(1).mT @ basis.flatten(1)
    assert torch.allclose(inside.flatten(1), batch.inputs.flatten(1) @ matrix)


def test_leading_and_last_directions():
    batch, basis = some(), directions(5)
    assert torch.allclose(project(batch, directions=2), project(batch, basis=basis[:2]))
    least = project(batch, directions=2, order="least")
    assert torch.allclose(least, project(batch, basis=basis[3:]))


def test_random_directions_of_the_span():
    batch, basis = some(), directions(5)
    few, more = (project(batch, directions=count, order="random") for count in (2, 4))
    inside = project(batch)
    assert torch.allclose(project(moved(batch, few)), few)
    assert torch.linalg.matrix_rank(few.flatten(1)) == 2
    # those of 2 lie in those of 4, and those of all are the span itself
    assert torch.allclose(project(moved(batch, more), directions=2, order="random"), few)
    assert torch.allclose(project(batch, directions=5, order="random"), inside)
    assert not torch.allclose(few, project(batch, directions=2))
    derivation = Projected(fitted(directions=basis), directions=2, order="random", box=False)
    other = made_by(derivation, batch, seed=1).inputs
    assert not torch.allclose(other, few)
    # the family draws the same ones by the same seed
    families = [Fitted(derivation.fit, 2, order="random", seed=seed)(SHAPE) for seed in (0, 1)]
    for (own,), made in zip(families, (few, other), strict=True):
        assert torch.allclose(own.lift(own.coordinates(batch.inputs)), made)


def test_the_whole_space_changes_nothing():
    batch = some(torch.float32)
    basis, mean = directions(16).float(), fitted("m", mean=batch.inputs.mean(0))
    for order in ("most", "least", "random"):
        made = project(batch, basis=basis, order=order, directions=16, mean=mean)
        assert torch.allclose(made, batch.inputs, atol=1e-5)


@pytest.mark.parametrize("keep", ["inside", "complement"])
def test_the_mean_of_what_is_removed_comes_back(keep):
    batch = some()
    mean = batch.inputs.mean(0)
    plain, with_mean = (
        project(batch, keep=keep, mean=own) for own in (None, fitted("stats", mean=mean))
    )
    removed = batch.inputs - plain
    assert torch.allclose(with_mean, plain + removed.mean(0))
    assert torch.allclose(with_mean.mean(0), mean)


def test_means_of_classes_are_weighed_by_their_counts():
    batch = some()
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor([10, 6, 8]))
    learnt = learn(ClassStatistics(2), None, [replace(batch, labels=labels)], 3)
    stats = fitted("stats", **learnt.tensors)
    whole = fitted("stats", mean=batch.inputs.mean(0))
    assert torch.allclose(project(batch, mean=stats), project(batch, mean=whole))


def test_the_box_is_kept_and_what_it_cuts_is_said():
    batch = some(spread=1.0)
    boxed = made_by(Projected(fitted(directions=directions(5)), "complement"), batch)
    free = project(batch, keep="complement")
    assert torch.equal(boxed.inputs, free.clamp(0, 1))
    assert torch.allclose(
        boxed.columns["clipped"], (free.clamp(0, 1) - free).flatten(1).norm(dim=1)
    )
    assert boxed.columns["clipped"].any()
    assert torch.equal(boxed.labels, batch.labels)
    with pytest.raises(ValueError, match="must lie in"):
        made_by(Projected(fitted(directions=directions(5))), moved(batch, batch.inputs + 1))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fit": fitted(means=directions(1))}, "has no 'directions'"),
        ({"fit": fitted(directions=2 * directions(3))}, "must be orthonormal"),
        ({"fit": fitted(directions=directions(3)), "directions": 4}, "at least 4"),
        ({"fit": fitted(directions=directions(3)[:, :, :2])}, "of inputs"),
        (
            {"fit": fitted(directions=directions(3)), "mean": fitted("m", mean=torch.zeros(3))},
            "has a mean",
        ),
    ],
)
def test_fits_that_span_nothing_here(settings, words):
    with pytest.raises(ValueError, match=words):
        made_by(Projected(**settings))


def test_settings_that_project_onto_nothing():
    with pytest.raises(ValueError, match="1 or more"):
        Projected(fitted(), directions=0)
    with pytest.raises(ValueError, match="at most the 16"):
        Projected(fitted(), directions=17).validate(SHAPE, 3)
    Projected(Learnt("normals"), directions=16).validate(SHAPE, 3)
    assert [Projected(fitted(), box=box).stays_in_box(True) for box in (True, False)] == [
        True,
        False,
    ]


def test_pseudo_labels_are_what_the_network_says():
    batch = some()
    made = made_by(PseudoLabelled(), batch)
    logits = NETWORK(batch.inputs).detach()
    assert made.inputs is None
    assert torch.equal(made.labels, logits.argmax(1))
    assert torch.equal(made.columns["true"], batch.labels)
    assert torch.allclose(made.columns["confidence"], logits.softmax(1).amax(1))
    PseudoLabelled().validate(SHAPE, 3)
    assert PseudoLabelled().stays_in_box(True)
    assert not PseudoLabelled().stays_in_box(False)


@pytest.mark.parametrize("derivation", [PseudoLabelled(), AdversarialExamples(PGD_L2)], ids=repr)
def test_logits_that_are_not_finite(derivation):
    with pytest.raises(ValueError, match="finite"):
        made_by(derivation, network=Constant(0.0, float("nan"), 1.0))


def test_the_kinds():
    kinds = ["adversarial", "along", "class_gaussian", "inverted", "overconfident", "painted"]
    kinds += ["projected", "pseudo_labelled", "towards"]
    assert list(DERIVATIONS) == kinds


@pytest.mark.parametrize("inside", [False, True], ids=["anywhere", "in a span"])
def test_a_random_change_is_as_long_as_what_was_found(inside):
    directions = torch.linalg.qr(images(2, SHAPE, spread=0.5).flatten(1).mT).Q.mT.view(2, *SHAPE)
    span = Along(Learnt("fit", "key", {"directions": directions}), 2, box=False)
    budget = PGD(norm="l2", steps=5, box=False, threat=span if inside else None)
    attack = Within(SmallestEps(budget, 8.0, 6), 4.0)
    found, random = (
        made_by(AdversarialExamples(attack, "own", change=change)).inputs - some().inputs
        for change in ("found", "random")
    )
    lengths = [change.flatten(1).norm(dim=1) for change in (found, random)]
    assert lengths[0].count_nonzero() > 5
    torch.testing.assert_close(*lengths, atol=1e-5, rtol=1e-4)
    if inside:
        basis = directions.flatten(1)
        torch.testing.assert_close(
            random.flatten(1) @ basis.mT @ basis, random.flatten(1), atol=1e-5, rtol=0
        )
    moved = lengths[0] > 0
    cosines = torch.cosine_similarity(found.flatten(1), random.flatten(1))[moved]
    assert cosines.abs().min() < 0.5
    other = made_by(AdversarialExamples(attack, "own", change="random"), seed=1).inputs
    assert not torch.equal(other, some().inputs + random)
    assert not AdversarialExamples(PGD(1.0), change="random").stays_in_box(True)
