import oracles
import pytest
import torch
import torch.nn.functional as F

from advcore.curvature import landscape, plane_basis

COUNT, DIMENSION = 3, 16
LABELS = torch.tensor([0, 1, 2])
GRID = torch.linspace(-2, 2, 9, dtype=torch.float64)


def _vectors(seed=0):
    return torch.randn(
        2, COUNT, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def test_every_point_of_the_grid_by_hand():
    network, images = oracles.softplus(), oracles.images(COUNT)
    section = landscape(network, images, LABELS, *_vectors(), GRID)
    u, w = section.first.view_as(images), section.second.view_as(images)
    for i, a in enumerate(GRID):
        for j, b in enumerate(GRID):
            logits = network(images + a * u + b * w).detach()
            assert torch.equal(section.labels[:, i, j], logits.argmax(1))
            torch.testing.assert_close(
                section.loss[:, i, j], F.cross_entropy(logits, LABELS, reduction="none")
            )
    assert torch.equal(section.labels[:, 4, 4], network(images).argmax(1))
    assert section.labels.unique().numel() > 1


def test_an_affine_boundary_is_a_straight_line_at_the_margin():
    affine, images = oracles.Affine(2), oracles.images(COUNT)
    normal = (affine.weight.detach()[1] - affine.weight.detach()[0]).expand(COUNT, -1)
    own = affine(images).argmax(1)
    towards = torch.where(own == 0, 1.0, -1.0)[:, None] * normal
    grid = affine.margins(images)[:, None] * torch.tensor(
        [-1.5, 0.0, 0.99, 1.01, 3.0], dtype=torch.float64
    )
    section = landscape(
        affine, images, LABELS.clamp(max=1), towards, _vectors()[1], grid
    )  # each sample its own grid
    beyond = torch.tensor([False, False, False, True, True])
    assert torch.equal(
        section.labels != own[:, None, None], beyond[None, :, None].expand(COUNT, 5, 5)
    )


def test_the_plane_is_orthonormal_and_keeps_the_first_direction():
    first, second = _vectors()
    u, w = plane_basis(first, second)
    torch.testing.assert_close(u, first.flatten(1) / first.flatten(1).norm(dim=1, keepdim=True))
    gram = torch.stack([u, w], 1) @ torch.stack([u, w], 2)
    torch.testing.assert_close(gram, torch.eye(2, dtype=torch.float64).expand(COUNT, -1, -1))
    rest = second.flatten(1) - (second.flatten(1) * u).sum(1, keepdim=True) * u
    torch.testing.assert_close((rest * w).sum(1), rest.norm(dim=1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_parallel_and_missing_directions_are_told_by_zeros(dtype):
    first = _vectors()[0].to(dtype)
    assert (plane_basis(first, -3 * first)[1] == 0).all()
    u, w = plane_basis(0 * first, first)
    assert (u == 0).all()
    torch.testing.assert_close(w.norm(dim=1), torch.ones(COUNT, dtype=dtype))
    section = landscape(
        oracles.softplus(dtype=dtype),
        oracles.images(COUNT, dtype=dtype),
        LABELS,
        0 * first,
        first,
        GRID,
    )
    flat = section.loss[:, :1].expand_as(section.loss)
    torch.testing.assert_close(
        section.loss, flat, rtol=100 * torch.finfo(dtype).eps, atol=0
    )  # rows of one product: roundings


def test_rows_bound_memory_alone_and_the_model_is_left_alone():
    network, images, widest = oracles.Moody(), oracles.images(COUNT), []
    before = oracles.state(network)
    whole = landscape(network, images, LABELS, *_vectors(), GRID)
    assert oracles.state(network) == before

    def watched(some):
        widest.append(len(some))
        return network.eval()(some)

    cut = landscape(watched, images, LABELS, *_vectors(), GRID, rows=5 * COUNT)
    torch.testing.assert_close(cut.loss, whole.loss)
    assert torch.equal(cut.labels, whole.labels)
    assert max(widest) == 5 * COUNT


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            {"first": torch.ones(2, 16)},
            r"directions must have the images' shape, \(3, 1, 4, 4\); got \(2, 16\)",
        ),
        (
            {"second": torch.ones(3, 8)},
            r"directions must have the images' shape, \(3, 1, 4, 4\); got \(3, 8\)",
        ),
        (
            {"grid": torch.ones(2, 9)},
            r"grid must be \(n,\), or \(3, n\) for 3 images; got \(2, 9\)",
        ),
        ({"labels": LABELS + 2}, r"labels must lie in 0..3 \(4 logits\); got 2..4"),
    ],
)
def test_bad_input_is_refused(change, match):
    first, second = _vectors()
    settings = {"labels": LABELS, "first": first, "second": second, "grid": GRID} | change
    with pytest.raises(ValueError, match=match):
        landscape(oracles.softplus(), oracles.images(COUNT), **settings)
