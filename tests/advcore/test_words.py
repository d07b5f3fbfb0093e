"""Sequences of word vectors: networks, threat models, training, margins; empty places stay."""

from dataclasses import replace
from itertools import product

import oracles
import pytest
import torch
from torch import nn
from weight_slopes import check_gradient

from advcore import Randomness, Untargeted
from advcore.attacks import FGSM, PGD, DeepFool, Enumeration, Greedy, Status, WorstOfK
from advcore.attacks.climbing import climbed
from advcore.learnt import Learnt
from advcore.networks import deep_averaging, word_gru
from advcore.places import filled
from advcore.probes import Batch, Margins, WordProjection
from advcore.probes.word_projection import nearest_words
from advcore.subspaces import SinglePlaces
from advcore.threats import Embedding, Neighbours, Tokens
from advcore.training import VAT, AdversarialTraining, FreeLB, RandomDirection

COUNT, PLACES, NUMBERS = 6, 5, 8
VOCABULARY = torch.randn(
    20, NUMBERS, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
)
FIT = Learnt("words", tensors={"inputs": VOCABULARY[torch.randperm(20)].view(4, 5, NUMBERS)})
LABELS = torch.arange(COUNT) % 2
SOURCE = Randomness(0, torch.arange(COUNT))
LENGTHS = torch.tensor([1, 2, 3, 4, 5, 3])


def sequences():
    """Of 1 to 5 words."""
    chosen = torch.randint(20, (COUNT, PLACES), generator=torch.Generator().manual_seed(2))
    return VOCABULARY[chosen] * (torch.arange(PLACES) < LENGTHS[:, None])[:, :, None]


def network(make=deep_averaging):
    torch.manual_seed(0)
    return make(numbers=NUMBERS, width=6).double().eval()


EMPTY = ~filled(sequences()).expand(-1, -1, NUMBERS)
both = pytest.mark.parametrize("make", [deep_averaging, word_gru])


@both
def test_empty_places_do_not_count(make):
    whole, longest = sequences(), int(LENGTHS.max())
    for row, length in zip(whole, LENGTHS, strict=True):
        torch.testing.assert_close(network(make)(row[None]), network(make)(row[None, :length]))
    more = torch.cat([whole, torch.zeros(COUNT, 2, NUMBERS).double()], 1)
    torch.testing.assert_close(network(make)(more), network(make)(whole[:, :longest]))
    assert network(make)(torch.zeros(2, 3, NUMBERS).double()).isfinite().all()


@both
def test_no_gradient_reaches_an_empty_place(make):
    inputs = sequences().requires_grad_()
    network(make)(inputs).square().sum().backward()
    assert not inputs.grad[EMPTY].any()
    assert (inputs.grad[~EMPTY].view(-1, NUMBERS).norm(dim=1) > 0).all()


def test_a_network_of_words_wants_sequences():
    with pytest.raises(ValueError, match=r"need sequences \(B, T, E\); got \(2, 8\): for single"):
        network()(torch.zeros(2, NUMBERS).double())
    with pytest.raises(ValueError, match="depth of deep_averaging is 0 or more; got -1"):
        deep_averaging(depth=-1)


@both
def test_a_network_of_words_wants_words_of_its_length(make):
    with pytest.raises(
        ValueError, match="takes words of 8 numbers; got 5: build it with numbers=5"
    ):
        network(make)(torch.ones(2, 3, 5).double())
    with pytest.raises(ValueError, match="width must be at least 1; got 0"):
        make(width=0)


@both
@pytest.mark.parametrize("limit", ["word", "sequence"])
def test_empty_places_stay_under_attack_and_words_keep_to_their_limit(make, limit):
    inputs, threat = sequences(), Embedding(limit)
    result = PGD(eps=0.7, threat=threat, steps=5)(network(make), inputs, Untargeted(LABELS), SOURCE)
    change = result.images - inputs
    assert not result.images[EMPTY].any()
    lengths = change.norm(dim=2)
    size = lengths.amax(1) if limit == "word" else change.flatten(1).norm(dim=1)
    assert size.max() <= 0.7 * (1 + 1e-9)
    torch.testing.assert_close(size[result.found], result.distance[result.found])


@pytest.mark.parametrize(
    ("limit", "reach"), [("word", lambda n: n), ("sequence", lambda n: n**0.5)]
)
def test_the_worst_change_of_a_linear_network_is_known(limit, reach):
    """The mean of n words moves by eps if each does, by eps / sqrt(n) if all together do."""
    linear, inputs = deep_averaging(numbers=NUMBERS, depth=0).double(), sequences()
    weight = linear.network[0].weight[1] - linear.network[0].weight[0]
    attack = PGD(
        eps=0.3,
        threat=Embedding(limit),
        steps=1,
        random_start=False,
        objective="logit_margin",
    )
    moved = climbed(attack, linear, inputs, Untargeted(LABELS), SOURCE)
    gaps = [(own[:, 1] - own[:, 0]) * (1 - 2 * LABELS) for own in (linear(moved), linear(inputs))]
    expected = 0.3 * weight.norm() * reach(LENGTHS) / LENGTHS
    torch.testing.assert_close(gaps[0] - gaps[1], expected.double())


@pytest.mark.parametrize("limit", ["word", "sequence"])
def test_regions_are_of_each_sample(limit):
    inputs, radius = sequences(), torch.linspace(0.2, 1, COUNT).double()
    region = Embedding(limit).around(inputs, radius, network())
    for drawn in (region.random(SOURCE), region.edge(SOURCE)):
        assert (region.size(drawn) <= radius * (1 + 1e-6)).all()
        assert not region.apply(drawn)[EMPTY].any()
    torch.testing.assert_close(region.size(region.edge(SOURCE)), radius)
    far = region.project(10 * torch.ones_like(inputs))
    torch.testing.assert_close(region.size(far), radius)
    torch.testing.assert_close(region.project(far), far)
    some = torch.tensor([4, 1])
    assert torch.equal(region.take(some).apply(far[some]), region.apply(far)[some])


def test_single_words_are_changed_as_in_l2():
    inputs, linear = VOCABULARY[:COUNT], nn.Linear(NUMBERS, 2).double()
    ours, plain = (
        PGD(eps=0.5, steps=4, random_start=False, **own)(linear, inputs, Untargeted(LABELS))
        for own in ({"threat": Embedding("word")}, {"norm": "l2", "box": False})
    )
    torch.testing.assert_close(ours.images, plain.images)


def test_words_become_near_ones():
    inputs = sequences()
    result = Greedy(Neighbours(FIT, 3), eps=2)(network(), inputs, Untargeted(LABELS))
    changed = (result.images != inputs).any(2)
    assert not result.images[EMPTY].any()
    assert (result.status == Status.BROKEN).any()
    assert changed.sum(1).max() <= 2
    away = torch.cdist(inputs, VOCABULARY)
    allowed = away <= away.topk(4, largest=False).values[..., -1:]  # itself, and three
    became = (torch.cdist(result.images, VOCABULARY) < 1e-9)[changed]
    assert became.sum(1).eq(1).all()
    assert (became & allowed[changed]).any(1).all()


def test_no_word_is_its_own_neighbour_and_each_is_one_of_its_vocabulary():
    """Also among unit vectors of 300 numbers, whose products lose the last digits."""
    rows = nn.functional.normalize(
        torch.randn(500, 300, generator=torch.Generator().manual_seed(3)), dim=1
    )
    inputs = rows.view(100, 5, 300)
    fit, radius = Learnt("words", tensors={"inputs": inputs}), torch.ones(100)
    choices = Neighbours(fit, 3).around(inputs, radius, network()).values
    assert ((choices[:, :, 1:] - inputs[:, :, None]).norm(dim=3) > 0.5).all()
    held = Tokens(tuple(map(tuple, rows.tolist()))).around(inputs, radius, network()).held
    assert torch.equal(held.flatten(), torch.arange(500))
    assert torch.equal(nearest_words(inputs + 1e-5, inputs, rows), inputs)


def test_words_become_near_ones_of_their_label():
    labels = torch.arange(20) % 2
    fit = Learnt("words", tensors={"inputs": VOCABULARY, "labels": labels})
    inputs = sequences()
    values = Neighbours(fit, 4, True).around(inputs, torch.ones(COUNT), network()).values
    which = torch.cdist(values.flatten(0, 1), VOCABULARY).argmin(2)[filled(inputs).flatten()]
    assert (labels[which] == labels[which[:, :1]]).all()
    away = torch.cdist(VOCABULARY, VOCABULARY)
    away[labels[:, None] != labels] = torch.inf
    nearest = away.topk(5, largest=False).indices
    assert torch.equal(which.sort(1).values, nearest[which[:, 0]].sort(1).values)
    assert not values[~filled(inputs)[:, :, 0]].any()
    with pytest.raises(ValueError, match="below the 20 words of the vocabulary, of each label; go"):
        Neighbours(fit, 10, True).around(inputs, torch.ones(COUNT), network())
    with pytest.raises(ValueError, match="vocabulary, which lacks some of these words"):
        Neighbours(fit, 4, True).around(inputs + 0.5, torch.ones(COUNT), network())
    with pytest.raises(ValueError, match=r"same_label needs a vocabulary of single words \(n, E\)"):
        Neighbours(FIT, 4, True).check((PLACES, NUMBERS))


def test_all_words_near_enough_are_all_that_tokens_may_become():
    """With every word a neighbour it is as good as the best single replacement by hand."""
    inputs, own = sequences(), network()
    result = Greedy(Neighbours(FIT, 19), eps=1)(own, inputs, Untargeted(LABELS))
    for row, label, found in zip(inputs, LABELS, result.found, strict=True):
        tried = [row]
        for place in range(int(filled(row[None]).sum())):
            tried += [row.index_copy(0, torch.tensor([place]), word[None]) for word in VOCABULARY]
        assert (own(torch.stack(tried)).argmax(1) != label).any() == found


def test_the_nearest_words_are_looked_at_again():
    inputs, own = sequences(), network()
    batch = Batch(inputs, LABELS, torch.arange(COUNT))
    table = WordProjection(FIT).measure(own, batch, SOURCE)
    still = WordProjection(FIT, DeepFool(norm="l2", box=False, steps=1, overshoot=0)).measure(
        own, batch, SOURCE
    )
    assert len(still["replaced"]) == COUNT
    attacked = WordProjection(FIT).attack(own, inputs, Untargeted(LABELS), SOURCE).images
    nearest = VOCABULARY[torch.cdist(attacked, VOCABULARY).argmin(2)] * filled(inputs)
    assert torch.equal(table["kept"], own(nearest).argmax(1) != LABELS)
    torch.testing.assert_close(table["replaced"], ((nearest - inputs).norm(dim=2) > 1e-6).sum(1))
    known = WordProjection(FIT).summarise(table).scalars
    right = torch.tensor([one != "already_wrong" for one in table["status"]])
    assert known["kept"] == table["kept"][right].double().mean()


@both
def test_margins_of_single_words(make):
    """None at an empty place; of a linear network n times that of the mean."""
    inputs = sequences()
    batch = Batch(inputs, LABELS, torch.arange(COUNT))
    table = Margins(SinglePlaces()).measure(network(make), batch, SOURCE)
    distance = table["distance"].view(PLACES, COUNT).T
    assert distance[~filled(inputs)[:, :, 0]].isinf().all()
    linear = deep_averaging(numbers=NUMBERS, depth=0).double()
    last = linear.network[0]
    table = Margins(SinglePlaces()).measure(linear, batch, SOURCE)
    gap = (linear(inputs) @ torch.tensor([1.0, -1.0]).double()).abs()
    expected = 1.02 * LENGTHS * gap / (last.weight[1] - last.weight[0]).norm()
    distance = table["distance"].view(PLACES, COUNT).T
    for row, length, wanted in zip(distance, LENGTHS, expected, strict=True):
        torch.testing.assert_close(row[:length], wanted.expand(length).detach())


def soft():
    torch.manual_seed(0)
    return deep_averaging(numbers=NUMBERS, width=6, activation="softplus").double()


def cross_entropy(own, inputs):
    return -own(inputs).log_softmax(1)[torch.arange(COUNT), LABELS]


def test_freelb_is_the_mean_over_its_steps():
    own, inputs, term = soft(), sequences(), FreeLB(steps=3, step=0.4, start=0.5)
    drawn = 2 * SOURCE.stream("start").uniform((PLACES, NUMBERS)).double() - 1
    moved = drawn * filled(inputs) * 0.5 / (LENGTHS * NUMBERS).sqrt()[:, None, None]
    seen = []
    for _ in range(3):
        seen.append(inputs + moved)
        at = seen[-1].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(cross_entropy(own, at).sum(), at)
        moved = moved + 0.4 * gradient / gradient.flatten(1).norm(dim=1)[:, None, None]
    value = term(own, inputs, LABELS, SOURCE)
    check_gradient(own, value, lambda: sum(cross_entropy(own, at).mean() for at in seen) / 3)


def test_a_limit_of_freelb_is_kept():
    seen = []
    own, inputs = soft(), sequences()

    def watched(images):
        seen.append(images.detach())
        return own(images)

    FreeLB(steps=5, step=0.3, start=2.0, limit=0.4)(watched, inputs, LABELS, SOURCE)
    assert len(seen) == 5
    for images in seen:
        assert (images - inputs).flatten(1).norm(dim=1).max() <= 0.4 * (1 + 1e-9)
        assert not images[EMPTY].any()
    assert max((images - inputs).flatten(1).norm(dim=1).max() for images in seen) > 0.39


def test_vat_finds_the_leading_direction_of_a_linear_network():
    """Its divergence depends on the gap of the two logits alone."""
    linear, inputs = deep_averaging(numbers=NUMBERS, depth=0).double(), sequences()
    weight = linear.network[0].weight[1] - linear.network[0].weight[0]
    direction = VAT(0.5).direction(linear, inputs, SOURCE)
    expected = filled(inputs) * weight / weight.norm() / LENGTHS.sqrt()[:, None, None]
    cosine = (direction * expected).flatten(1).sum(1)
    torch.testing.assert_close(cosine.abs(), torch.ones(COUNT).double(), rtol=1e-4, atol=0)
    moved = inputs + 0.5 * direction

    def value():
        log_p, log_q = (linear(own).log_softmax(1) for own in (inputs, moved))
        return (fixed.exp() * (fixed - log_q)).sum(1).mean() + 0 * log_p.sum()

    fixed = linear(inputs).log_softmax(1).detach()
    check_gradient(linear, VAT(0.5)(linear, inputs, LABELS, SOURCE), value)


def test_noise_is_as_long_as_fgm():
    own, inputs, seen = soft(), sequences(), []

    def watched(images):
        seen.append(images.detach() - inputs)
        return own(images)

    RandomDirection(0.3)(watched, inputs, LABELS, SOURCE)
    adversarial = AdversarialTraining(FGSM(eps=0.3, norm="l2", box=False))
    seen.append(adversarial.perturbed(own, inputs, LABELS, SOURCE) - inputs)
    for change in seen:
        torch.testing.assert_close(
            change.flatten(1).norm(dim=1), torch.full((COUNT,), 0.3).double()
        )
        assert not change[EMPTY].any()


@pytest.mark.parametrize("term", [VAT(0.0), RandomDirection(0.0), FreeLB(1, 0.0, 0.0)], ids=repr)
def test_without_length_they_are_plain_training(term):
    own, inputs = soft(), sequences()
    plain = cross_entropy(own, inputs).mean()
    expected = plain * 0 if isinstance(term, VAT) else plain
    torch.testing.assert_close(term(own, inputs, LABELS, SOURCE), expected)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Embedding("token"), "limit must be one of word, sequence; got 'token'"),
        (lambda: Neighbours(FIT, 0), "count must be at least 1; got 0"),
        (lambda: VAT(-1.0), "eps"),
        (lambda: VAT(0.1, xi=0), "xi must be a positive, finite length; got 0"),
        (lambda: VAT(0.1, xi=float("inf")), "xi must be a positive, finite length; got inf"),
        (lambda: VAT(0.1, iterations=0), "iterations must be at least 1; got 0"),
        (lambda: FreeLB(0), "steps must be at least 1; got 0"),
        (lambda: FreeLB(step=-1.0), "step must be a finite length, not negative; got -1.0"),
        (lambda: FreeLB(step=float("inf")), "step must be a finite length, not negative; got inf"),
        (lambda: FreeLB(limit=0.0), "limit must be positive, or None for none; got 0.0"),
        (lambda: SinglePlaces()((3, 4, 5)), r"sequences \(T, E\); got inputs \(3, 4, 5\)"),
    ],
)
def test_settings_that_cannot_be(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize(
    ("threat", "inputs", "match"),
    [
        (Embedding(), oracles.images(2), r"sequences \(B, T, E\) or single vectors .* got \(2, 1"),
        (Neighbours(FIT), oracles.images(2), r"in sequences \(T, E\) alone; got inputs \(1, 4, 4"),
        (Neighbours(FIT), torch.zeros(2, 3, 4), "the fit words must hold word vectors of 4 num"),
        (Neighbours(FIT, 20), sequences(), "below the 20 words of the vocabulary; got 20"),
    ],
)
def test_inputs_that_have_no_words(threat, inputs, match):
    with pytest.raises(ValueError, match=match):
        threat.around(inputs, torch.ones(len(inputs)), network())


def test_a_probe_of_words_wants_sequences():
    with pytest.raises(ValueError, match=r"in sequences \(T, E\) alone; got inputs \(8,\)"):
        replace(WordProjection(FIT)).validate((NUMBERS,), 2)


def test_empty_places_are_no_replaced_words():
    """Whoever may replace two words replaces two, or the one that there is."""
    inputs, radius = sequences(), torch.full((COUNT,), 2.0).double()
    region = Neighbours(FIT, count=4).around(inputs, radius, network())
    for seed in range(20):
        drawn = region.random(Randomness(seed, torch.arange(COUNT)))
        moved = (region.apply(drawn) != inputs).any(2).sum(1)
        assert torch.equal(moved, LENGTHS.clamp(max=2))
        assert torch.equal(region.size(drawn), moved.double())
    for attack in (
        WorstOfK(Neighbours(FIT, 4), 2.0, tries=30),
        PGD(threat=Neighbours(FIT, 4), eps=2.0),
    ):
        result = attack(network(), inputs, Untargeted(LABELS), SOURCE)
        moved = (result.images != inputs).any(2).sum(1).double()
        assert torch.equal(result.distance[result.found], moved[result.found])
        assert result.found.any()


def test_every_set_of_two_neighbours_is_tried():
    inputs, net = sequences(), network()
    labels = net(inputs).argmax(1)
    result = Enumeration(Neighbours(FIT, 4), 2.0)(net, inputs, Untargeted(labels), SOURCE)
    region = Neighbours(FIT, 4).around(inputs, torch.full((COUNT,), 2.0).double(), net)
    for row, length in enumerate(LENGTHS):
        fewest = torch.inf
        for values in product(range(5), repeat=int(length)):
            changes = sum(value != 0 for value in values)
            tried = inputs[row].clone()
            for place, value in enumerate(values):
                tried[place] = region.values[row, place, value]
            if changes <= 2 and net(tried[None]).argmax(1) != labels[row]:
                fewest = min(fewest, changes)
        assert bool(result.found[row]) == (fewest < torch.inf)
        assert not result.found[row] or result.distance[row] == fewest
