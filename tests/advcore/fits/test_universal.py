import oracles
import pytest
import torch
from learning import assert_resumes, assert_same_bits, learn, samples_of, shards

from advcore.attacks import DeepFool
from advcore.curvature import fools
from advcore.fits import FitSamples, Medians, Universal, next_round
from advcore.norms import norm_by_name

COUNT = 24
IMAGES = oracles.images(COUNT, dtype=torch.float32)
RELU = oracles.relu(dtype=torch.float32)
CONSTANT = oracles.Constant(2.0, 0.0, dtype=torch.float32)
TWO = oracles.Affine(2, dtype=torch.float32)
FEW = Universal(radius=0.8, epochs=3, portion=0.5, box=False)


def _of_one_class(network=TWO):
    """Two thirds of class 0, one third of class 1."""
    many = oracles.images(400, dtype=torch.float32, spread=0.6)
    own = network(many).argmax(1)
    return torch.cat([many[own == 0][:16], many[own == 1][:8]])


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_two_affine_classes_are_parted_along_their_normal(norm):
    """The best v of a radius that all of the larger class lie within is `radius` times the
    steepest direction of w_1 - w_0; it fools that class and none of the other.
    """
    images = _of_one_class()
    radius = 1.01 * TWO.margins(images, norm)[:16].max().item()
    fit = Universal(norm=norm, radius=radius, epochs=30, portion=1, box=False)
    learnt = learn(fit, TWO, shards(images, [10, 14]), 2)
    normal = (TWO.weight[1] - TWO.weight[0]).detach().view(1, 1, 4, 4)
    best = radius * norm_by_name(norm).steepest(normal)[0]
    torch.testing.assert_close(learnt.tensors["vector"], best, rtol=1e-4, atol=1e-5)
    assert learnt.tensors["fooling"].item() == pytest.approx(16 / 24)
    assert learnt.tensors["radius"].item() == radius


def test_a_radius_between_margins_fools_those_within_it():
    images = _of_one_class()[:16]
    margins = TWO.margins(images).sort().values
    radius = (margins[9] + margins[10]).item() / 2
    learnt = learn(Universal(radius=radius, box=False), TWO, shards(images, [5, 11]), 2)
    assert learnt.tensors["fooling"].item() == pytest.approx(10 / 16)
    assert learnt.history["fooling"][-1] == learnt.tensors["fooling"].item()


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_target_is_reached_along_its_normal(norm):
    images = _of_one_class()
    radius = 1.01 * TWO.margins(images, norm).max().item()
    fit = Universal(norm=norm, radius=radius, target=0, epochs=30, portion=1, box=False)
    learnt = learn(fit, TWO, shards(images, [12, 12]), 2)
    assert learnt.tensors["fooling"].item() == 1  # of those of class 1; the others have it
    normal = (TWO.weight[0] - TWO.weight[1]).detach().view(1, 1, 4, 4)
    best = radius * norm_by_name(norm).steepest(normal)[0]
    torch.testing.assert_close(learnt.tensors["vector"], best, rtol=1e-4, atol=1e-5)
    assert (TWO(images + learnt.tensors["vector"]).argmax(1) == 0).all()


def test_the_radius_is_measured_in_medians():
    """The closed form of an affine classifier, over all shards."""
    classifier = oracles.Affine(3, dtype=torch.float32)
    fit = Universal(radius=Medians(1.5), attack=DeepFool(norm="l2", box=False))
    learnt = learn(fit, classifier, shards(IMAGES, [7, 9, 8]), 3)
    exact = classifier.margins(IMAGES).sort().values[11:13].mean().item()
    assert learnt.history["median_distance"][0] == pytest.approx(1.02 * exact, rel=1e-3)
    assert learnt.tensors["radius"].item() == 1.5 * learnt.history["median_distance"][0]


def test_the_radius_is_kept_and_fooling_is_of_the_vector():
    learnt = learn(FEW, RELU, shards(IMAGES, [8, 8, 8]), 4)
    vector = learnt.tensors["vector"]
    assert vector.norm().item() <= 0.8 * (1 + 1e-6)
    fooled = fools(RELU, IMAGES, vector.flatten()[None, None])[:, 0].float().mean()
    assert learnt.tensors["fooling"].item() == pytest.approx(fooled.item())
    assert learnt.tensors["fooling"] > 0.3
    assert len(learnt.history["fooling"]) == len(learnt.history["loss"]) == 3 + 1
    assert learnt.rounds == 3 * 2 + 1


def test_in_the_box_pixels_are_clipped_before_the_network():
    seen = []

    def watched(images):
        seen.append((images.min().item(), images.max().item()))
        return RELU(images)

    learn(Universal(radius=5.0, epochs=1), watched, shards(IMAGES, [24]), 4)
    assert min(low for low, _ in seen) == 0
    assert max(high for _, high in seen) == 1
    seen.clear()
    learn(Universal(radius=5.0, epochs=2, box=False), watched, shards(IMAGES, [24]), 4)
    assert min(low for low, _ in seen) < 0


def test_an_epoch_sees_each_shard_once_in_an_order_of_the_seed():
    fit = Universal(radius=1.0, epochs=4, portion=0.25)
    batches = shards(IMAGES, [3] * 8)
    samples = samples_of(batches, 4)
    state, epochs = fit.start(samples), [[] for _ in range(5)]
    assert fit.shards(state, 8) != fit.shards(fit.start(FitSamples((1, 4, 4), 4, 24, seed=1)), 8)
    while not state.done:
        shown = fit.shards(state, 8)
        assert list(shown) == sorted(shown)
        epochs[int(state.tensors["epoch"])] += shown
        state = next_round(fit, RELU, batches, samples, state)
    assert all(sorted(own) == list(range(8)) for own in epochs)
    assert len({tuple(own) for own in epochs}) == 5


def test_other_shards_learn_the_same_of_the_whole_set():
    fit = Universal(radius=0.5, epochs=8, portion=1, box=False)
    whole = learn(fit, RELU, shards(IMAGES, [24]), 4)
    parts = learn(fit, RELU, shards(IMAGES, [5, 12, 7]), 4)
    torch.testing.assert_close(parts.tensors["vector"], whole.tensors["vector"], rtol=0, atol=1e-5)
    small = learn(
        Universal(radius=0.5, epochs=8, portion=1, box=False, batch_size=5),
        RELU,
        shards(IMAGES, [24]),
        4,
    )
    torch.testing.assert_close(small.tensors["vector"], whole.tensors["vector"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "fit",
    [FEW, Universal(radius=Medians(2), epochs=2, attack=DeepFool(norm="l2", box=False))],
    ids=["given", "medians"],
)
def test_every_round_can_be_the_last_of_a_process(fit):
    batches = shards(IMAGES, [6, 6, 6, 6])
    whole = assert_resumes(fit, RELU, batches, 4)
    assert_same_bits(learn(fit, RELU, batches, 4), whole)


def test_no_gradient_leaves_the_vector_at_zero():
    learnt = learn(Universal(radius=1.0, epochs=1), CONSTANT, shards(IMAGES, [24]), 2)
    assert (learnt.tensors["vector"] == 0).all()
    assert learnt.tensors["fooling"] == 0


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Universal(norm="l1"), "norm must be one of l2, linf; got 'l1'"),
        (lambda: Universal(radius=0.0), "radius must be a positive number; got 0"),
        (lambda: Universal(norm="linf"), "the medians of a radius are l2 distances"),
        (lambda: Medians(-1.0), "medians must be a positive number; got -1"),
        (lambda: Universal(portion=0.0), r"portion must lie in \(0, 1\]; got 0"),
        (lambda: Universal(epochs=0), "epochs must be at least 1; got 0"),
        (lambda: Universal(attack=DeepFool()), "a minimal-norm l2 attack without a box"),
        (
            lambda: Universal(target=4).validate(FitSamples((1, 4, 4), 4, 24)),
            "target must be one of the classes 0 to 3; got 4",
        ),
        (lambda: Universal().validate(FitSamples((1, 4, 4), 4, 0)), "at least one sample; got 0"),
        (lambda: Universal().validate(FitSamples((1, 4, 4), 1, 5)), "two classes; got 1"),
        (
            lambda: learn(Universal(), CONSTANT, shards(IMAGES, [24]), 2),
            "no perturbation was found at half of them; give a length",
        ),
    ],
)
def test_what_cannot_work_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_the_mean_input_is_kept_for_probes():
    learnt = learn(FEW, RELU, shards(IMAGES, [10, 14]), 4)
    torch.testing.assert_close(learnt.tensors["mean"], IMAGES.mean(0))
