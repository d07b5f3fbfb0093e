"""Signs of gradient masking, on classifiers that have each of them by construction, and on some
that have none.
"""

import oracles
import pytest
import torch

from advcore import Randomness, norms
from advcore.gradient_masking import BallSigns, ball_signs, gradient_signs

COUNT, EPS = 24, (0.05, 0.1, 0.2)
IMAGES = oracles.images(COUNT, spread=0.4)


def _labels(network, images=IMAGES):
    return network(images).argmax(1)


def _ball(network, images=IMAGES, labels=None, norm="linf", eps=EPS, **settings):
    source = Randomness(0, torch.arange(len(images)))
    return ball_signs(
        network,
        images,
        _labels(network, images) if labels is None else labels,
        norm,
        eps,
        source,
        **settings,
    )


@pytest.mark.parametrize(
    "network",
    [oracles.relu(), oracles.softplus(), oracles.Affine(), oracles.Sphere(1.0, torch.tensor(0.4))],
)
def test_an_honest_classifier_shows_no_sign(network):
    signs = gradient_signs(network, IMAGES, _labels(network))
    assert torch.equal(signs.prediction, _labels(network))
    assert not (signs.zero_gradient | signs.zero_margin_gradient | signs.saturated).any()
    assert (signs.variation == 0).all()
    ball = _ball(network)
    assert ball.by_attack.any()
    assert not (ball.regained | ball.worse_than_noise).any()


def test_a_constant_classifier_has_no_gradient():
    network = oracles.Constant(2.0, 0.0)
    signs = gradient_signs(network, IMAGES, _labels(network))
    assert signs.zero_gradient.all()
    assert signs.zero_margin_gradient.all()
    assert not signs.saturated.any()
    assert not (_ball(network).by_attack | _ball(network).by_noise).any()


class _Leading(torch.nn.Module):
    """At gray images the first of two logits leads by `leads`."""

    def __init__(self, leads):
        super().__init__()
        self.leads = leads

    def forward(self, images):
        return (images - 0.5).flatten(1)[:, :2] + self.leads[:, None] * torch.tensor(
            [1, 0], dtype=images.dtype
        )


@pytest.mark.parametrize(
    ("dtype", "leads", "saturated", "zero"),
    [
        (
            torch.float32,
            [10, 16, 17, 80, 110],
            [False, False, True, True, True],
            [False, False, False, False, True],
        ),
        (
            torch.float64,
            [17, 36, 37, 700, 750],
            [False, False, True, True, True],
            [False, False, False, False, True],
        ),
    ],
)
def test_saturation_comes_at_the_lead_that_rounds_a_probability_to_1(dtype, leads, saturated, zero):
    images, labels = torch.full((5, 1, 4, 4), 0.5, dtype=dtype), torch.zeros(5, dtype=torch.int64)
    signs = gradient_signs(_Leading(torch.tensor(leads)), images, labels)
    assert signs.saturated.tolist() == saturated
    assert signs.zero_gradient.tolist() == zero
    assert not signs.zero_margin_gradient.any()


def test_large_logits_hide_cross_entropy_and_not_the_margin():
    images = IMAGES.float()
    network = oracles.Affine(scale=1e6, dtype=torch.float32)
    signs = gradient_signs(network, images, _labels(network, images))
    assert signs.saturated.all()
    assert signs.zero_gradient.all()
    assert not signs.zero_margin_gradient.any()
    assert (signs.variation == 0).all()
    assert not gradient_signs(
        network, images, (_labels(network, images) + 1) % 3
    ).saturated.any()  # wrong already


@pytest.mark.parametrize("network", [oracles.relu(), oracles.Affine()], ids=["relu", "affine"])
def test_a_random_classifier_varies(network):
    signs = gradient_signs(oracles.Noisy(network), IMAGES, _labels(network))
    assert (signs.variation > 1e-3).all()


def test_noise_beats_an_attack_that_cannot_see_through_rounding():
    network = oracles.Quantised(oracles.relu())
    signs = gradient_signs(network, IMAGES, _labels(network))
    assert signs.zero_gradient.all()
    assert signs.zero_margin_gradient.all()
    assert not signs.saturated.any()
    ball = _ball(network)
    assert ball.worse_than_noise.double().mean() > 0.2
    assert torch.equal(ball.worse_than_noise, (ball.by_noise & ~ball.by_attack).any(1))


def test_steps_over_a_thin_shell_are_seen_as_regained():
    """PGD's step is eps / 4: it cannot miss the shell at eps 0.1, and does at 0.4."""
    images = torch.full((COUNT, 1, 4, 4), 0.51, dtype=torch.float64)
    ball = _ball(oracles.Shell(0.08, 0.015, scale=10), images, eps=(0.1, 0.4))
    assert ball.by_attack[:, 0].all()
    assert 0.2 < ball.regained.double().mean() < 1
    assert torch.equal(ball.regained, ~ball.by_attack[:, 1])


def test_the_balls_of_an_affine_classifier_are_the_exact_ones():
    network = oracles.Affine(2)
    ball, exact = _ball(network), network.margins(IMAGES, "linf")
    for column, eps in enumerate(EPS):
        assert torch.equal(ball.by_attack[:, column], exact < eps)
        assert not (ball.by_noise[:, column] & (exact > eps)).any()
    assert ball.by_noise.any()


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_noise_has_the_length_eps(norm):
    seen = []

    def network(images):
        seen.append(images)
        return oracles.Constant(2.0, 0.0)(images)

    images, draws = IMAGES[:3], 4
    ball_signs(
        network,
        images,
        torch.zeros(3, dtype=torch.int64),
        norm,
        (0.05, 0.1),
        Randomness(0, torch.arange(3)),
        2,
        draws,
    )
    noise = torch.stack(
        [norms.norm_by_name(norm).size(tries - images) for tries in seen[-2 * draws :]]
    )
    torch.testing.assert_close(
        noise, torch.tensor([0.05, 0.1] * draws, dtype=noise.dtype)[:, None].expand(-1, 3)
    )
    assert len({tuple(tries.flatten().tolist()) for tries in seen[-2 * draws :]}) == 2 * draws


def test_regained_is_broken_before_and_not_later():
    broken = torch.tensor([[0, 0, 1], [0, 1, 0], [1, 0, 1], [1, 1, 1], [0, 0, 0]], dtype=torch.bool)
    assert BallSigns(broken, torch.zeros_like(broken)).regained.tolist() == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_samples_that_are_wrong_count_as_broken_everywhere():
    network = oracles.relu()
    labels = _labels(network)
    labels[::2] = (labels[::2] + 1) % 4
    ball, honest = _ball(network, labels=labels), _ball(network)
    assert ball.by_attack[::2].all()
    assert ball.by_noise[::2].all()
    assert torch.equal(ball.by_attack[1::2], honest.by_attack[1::2])
    assert torch.equal(ball.by_noise[1::2], honest.by_noise[1::2])
    wrong = _ball(network, labels=(_labels(network) + 1) % 4)
    assert (wrong.by_attack & wrong.by_noise).all()


def test_rows_do_not_mix():
    network, labels = oracles.Quantised(oracles.relu()), _labels(oracles.Quantised(oracles.relu()))
    whole, signs = _ball(network), gradient_signs(network, IMAGES, labels)
    for row in (slice(0, 1), slice(5, 12)):
        part = ball_signs(
            network, IMAGES[row], labels[row], "linf", EPS, Randomness(0, torch.arange(COUNT)[row])
        )
        assert torch.equal(part.by_attack, whole.by_attack[row])
        assert torch.equal(part.by_noise, whole.by_noise[row])
        for name, column in vars(gradient_signs(network, IMAGES[row], labels[row])).items():
            torch.testing.assert_close(column, vars(signs)[name][row], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("images", "labels", "match"),
    [
        (IMAGES + 1, torch.zeros(COUNT, dtype=torch.int64), r"images must lie in \[0, 1\]"),
        (IMAGES, torch.full((COUNT,), 9), r"labels must lie in 0..3"),
    ],
)
def test_what_cannot_be_attacked_is_refused(images, labels, match):
    with pytest.raises(ValueError, match=match):
        gradient_signs(oracles.relu(), images, labels)


def test_balls_refuse_images_outside_the_box():
    with pytest.raises(ValueError, match=r"images must lie in \[0, 1\]"):
        _ball(oracles.relu(), IMAGES + 1)
