"""What holds for any peer: judged by us, counted, seeded, kept away from the model."""

import random
from typing import Any

import numpy as np
import oracles
import pytest
import torch
from torch import Tensor, nn

from advcore import Randomness, Untargeted
from advcore.attacks import PGD, Status
from advcore.workers.adapters import ADAPTERS
from advcore.workers.adapters.peer import Counted, attack_by, seed_of

NETWORK, IMAGES = oracles.relu(), oracles.images(12, spread=0.8)
LABELS = Untargeted(torch.arange(12) % 4)
STANDING = NETWORK(IMAGES).argmax(1) == LABELS.labels
EPS = 0.15


def noisy(
    network: nn.Module, images: Tensor, criterion: Any, seed: int, eps: float | None
) -> Tensor:
    """A peer in one step from a random place, with a step for the batch as a whole."""
    start = (images + 0.01 * torch.randn_like(images)).requires_grad_()
    nn.functional.cross_entropy(network(start), criterion.labels).backward()
    return (images + EPS * start.grad.sign() * min(1.0, len(images) / 8)).clamp(0, 1)


def run(
    peer: Any,
    network: Any = NETWORK,
    eps: Any = EPS,
    one_by_one: bool = False,
    index: Any = slice(None),
) -> Any:
    index = torch.arange(12)[index]
    return attack_by(
        peer,
        "linf",
        eps,
        one_by_one,
        network,
        IMAGES[index],
        LABELS.take(index),
        Randomness(3, index),
    )


def test_what_comes_back_is_verified_and_already_wrong_samples_are_set_aside() -> None:
    result = run(noisy)
    assert torch.equal(result.found, LABELS.holds(NETWORK(result.images)))
    assert torch.equal(result.status == Status.ALREADY_WRONG, ~STANDING)
    assert torch.equal(result.images[~STANDING], IMAGES[~STANDING])
    assert {Status.BROKEN, Status.ROBUST} <= set(result.status.tolist())
    assert (result.distance[result.found] <= EPS + 1e-9).all()
    still = run(lambda network, images, criterion, seed, eps: images, eps=None)
    assert (still.status[STANDING] == Status.FAILED).all()
    assert torch.isinf(still.distance[STANDING]).all()


@pytest.mark.parametrize("spoil", ["outside the ball", "outside the box", "nan"])
def test_what_may_not_be_is_not_found(spoil: str) -> None:
    """Images of another class are handed back: adversarial each, and each beyond what is
    allowed.
    """
    goal = torch.stack(
        [
            IMAGES[STANDING][(NETWORK(IMAGES[STANDING]).argmax(1) != label).nonzero()[0, 0]]
            for label in range(4)
        ]
    )

    def peer(
        network: nn.Module, images: Tensor, criterion: Any, seed: int, eps: float | None
    ) -> Tensor:
        return {"outside the ball": goal, "outside the box": 3 * goal, "nan": goal * torch.nan}[
            spoil
        ][criterion.labels]

    result = run(peer, eps=0.01 if spoil == "outside the ball" else None)
    assert not result.found[STANDING].any()
    assert torch.equal(result.images, IMAGES)
    if spoil == "outside the ball":
        assert (result.status[STANDING] == Status.ROBUST).all()
        assert run(peer, eps=1.0).found.all()


def test_a_pixel_beyond_the_box_by_rounding_is_set_on_its_face() -> None:
    result = run(
        lambda network, images, criterion, seed, eps: torch.ones_like(images) + 1e-16 * 3, eps=None
    )
    assert (result.images[STANDING] == 1).all()


def test_a_row_depends_on_its_sample_alone_with_one_by_one() -> None:
    whole = run(noisy, one_by_one=True)
    for row in range(12):
        alone = run(noisy, one_by_one=True, index=[row])
        for name in ("images", "status", "queries", "gradients"):
            assert torch.equal(getattr(alone, name), getattr(whole, name)[[row]])
    assert torch.equal(run(noisy).images, run(noisy).images)
    assert not torch.equal(run(noisy, index=slice(6)).images, run(noisy).images[:6])


@pytest.mark.parametrize("one_by_one", [False, True])
def test_each_image_forward_and_backward_is_counted(one_by_one: bool) -> None:
    sent = []

    def classifier(images: Tensor) -> Tensor:
        sent.append(len(images))
        return NETWORK(images)

    def lavish(
        network: nn.Module, images: Tensor, criterion: Any, seed: int, eps: float | None
    ) -> Tensor:
        leaf = images[: len(images) - 1 or 1].requires_grad_()
        for _ in range(3):
            network(leaf)[:, 0].sum().backward()
        network(images.detach())
        return noisy(network, images.detach(), criterion, seed, eps)

    result = run(lavish, classifier, one_by_one=one_by_one)
    count = int(STANDING.sum())
    assert result.queries.sum() == sum(sent)
    assert result.gradients.sum() == (4 * count if one_by_one else 3 * (count - 1) + count)
    spent = result.gradients[STANDING]
    assert spent.max() - spent.min() <= 1
    assert (result.gradients[~STANDING] == 0).all()


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_the_images_and_all_generators_are_left_alone(fails: bool) -> None:
    model, images = oracles.Moody(), IMAGES.clone()
    before, python, numpy = oracles.state(model), random.getstate(), np.random.get_state()

    def rude(
        network: nn.Module, given: Tensor, criterion: Any, seed: int, eps: float | None
    ) -> Tensor:
        network.train().double().requires_grad_()
        given.zero_()
        torch.rand(3), random.random(), np.random.rand()
        if fails:
            raise RuntimeError("out of memory")
        network(given + next(network.parameters()))[:, 0].sum().backward()
        return given

    labels = Untargeted(model.eval()(images).argmax(1))
    model.train(), model.tail.eval(), model.head[2].eval()
    if fails:
        with pytest.raises(RuntimeError, match="out of memory"):
            attack_by(rude, "l2", None, False, model, images, labels, None)
    else:
        attack_by(rude, "l2", None, False, model, images, labels, None)
    assert oracles.state(model) == before
    assert random.getstate() == python
    assert np.array_equal(np.random.get_state()[1], numpy[1])
    assert torch.equal(images, IMAGES)


def test_draws_come_from_seed_stream_and_samples() -> None:
    drawn = []

    def peer(
        network: nn.Module, images: Tensor, criterion: Any, seed: int, eps: float | None
    ) -> Tensor:
        drawn.append((torch.rand(1).item(), random.random(), np.random.rand()))
        return images

    for _ in range(2):
        run(peer)
    run(peer, index=[*range(11), 11][::-1])
    assert drawn[0] == drawn[1]
    assert all(one != other for one, other in zip(drawn[0], drawn[2], strict=True))
    base = Randomness(3, torch.arange(4))
    seeds = {
        seed_of(source)
        for source in (
            base,
            Randomness(4, base.indices),
            base.take(torch.tensor([0])),
            base.stream("restart", 1),
        )
    }
    assert len(seeds) == 4


def test_the_network_lets_go_of_the_model() -> None:
    kept = []
    run(lambda network, images, criterion, seed, eps: kept.append(network) or images)
    assert isinstance(kept[0], Counted)
    assert kept[0]._held == []


def test_peers_work_where_gradients_are_off() -> None:
    with torch.no_grad():
        result = run(noisy)
    assert torch.equal(result.images, run(noisy).images)


class Restricted:
    """Holds something for each sample."""

    def __init__(self, shift: Tensor) -> None:
        self.shift = shift

    def __call__(self, images: Tensor) -> Tensor:
        return NETWORK(images) + self.shift

    def rows(self, index: Tensor) -> "Restricted":
        return Restricted(self.shift[index])


def test_a_classifier_of_its_own_per_sample_needs_one_by_one() -> None:
    classifier = Restricted(
        torch.linspace(-1, 1, 12, dtype=torch.float64)[:, None]
        * torch.eye(4, dtype=torch.float64)[0]
    )
    with pytest.raises(
        ValueError,
        match=(
            "holds something per sample, and another library may change its batch: set one_by_one"
        ),
    ):
        run(noisy, classifier)
    assert torch.equal(
        run(noisy, classifier, one_by_one=True).found,
        LABELS.holds(classifier(run(noisy, classifier, one_by_one=True).images)),
    )


def test_another_shape_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"must give images \(\d+, 1, 4, 4\); got torch.Size\(\[1, 1, 4, 4\]\)"
    ):
        run(lambda network, images, criterion, seed, eps: images[:1])
    with pytest.raises(ValueError, match=r"must give images .*; got <class 'tuple'>"):
        run(lambda network, images, criterion, seed, eps: (images, images))


@pytest.mark.parametrize("kind", [kind for kind in ADAPTERS if not kind.endswith("minimal")])
@pytest.mark.parametrize(
    ("eps", "match"),
    [
        (-1.0, "eps must not be negative, in pixel units; got -1.0"),
        (-torch.ones(2), "eps must not be negative, in pixel units, one for each sample"),
    ],
)
def test_a_radius_that_cannot_be_is_refused(kind: str, eps: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ADAPTERS[kind]("PGD", "linf", eps=eps)


def test_samples_of_different_eps_never_share_a_batch() -> None:
    seen = []

    def peer(
        network: nn.Module, images: Tensor, criterion: Any, seed: int, eps: float | None
    ) -> Tensor:
        seen.append((len(images), eps))
        return PGD(eps=eps, random_start=False)(network, images, criterion).images

    radii = torch.where(torch.arange(12) % 3 == 0, 0.05, EPS)
    result = run(peer, eps=radii)
    assert sorted(seen) == sorted(
        (int((radii[STANDING] == eps).sum()), float(eps)) for eps in radii.unique()
    )
    direct = PGD(eps=radii, random_start=False)(NETWORK, IMAGES, LABELS)
    assert torch.equal(result.found, direct.found)
    torch.testing.assert_close(
        result.images[result.found], direct.images[direct.found], rtol=1e-9, atol=0
    )


def test_ours_by_the_same_road_is_ours() -> None:
    """PGD without noise, called as a peer, gives what it gives by itself."""
    own = PGD(eps=EPS, random_start=False)
    result = run(
        lambda network, images, criterion, seed, eps: own(network, images, criterion).images
    )
    direct = own(NETWORK, IMAGES, LABELS)
    assert torch.equal(result.images[result.found], direct.images[direct.found])
    assert torch.equal(result.found, direct.found)
