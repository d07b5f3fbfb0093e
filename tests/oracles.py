"""Classifiers whose margins and curvatures are known in closed form."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from advcore import norms


def images(
    count: int,
    shape: tuple[int, ...] = (1, 4, 4),
    dtype: torch.dtype = torch.float64,
    spread: float = 1.0,
    seed: int = 0,
) -> Tensor:
    """`(count, *shape)` pixels, uniform in a window of width `spread` around 0.5."""
    noise = torch.rand(
        count, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    return (0.5 + spread * (noise - 0.5)).to(dtype)


class Affine(nn.Module):
    """Logits `scale (W (x - 1/2) + b)`, so that gray images lie near the boundaries."""

    def __init__(
        self,
        classes: int = 3,
        shape: tuple[int, ...] = (1, 4, 4),
        dtype: torch.dtype = torch.float64,
        scale: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1000 + seed)
        dimension = torch.Size(shape).numel()
        self.weight = nn.Parameter(
            scale
            * torch.randn(classes, dimension, dtype=torch.float64, generator=generator).to(dtype)
        )
        self.bias = nn.Parameter(
            scale * 0.1 * torch.randn(classes, dtype=torch.float64, generator=generator).to(dtype)
        )

    def forward(self, images: Tensor) -> Tensor:
        return (images - 0.5).flatten(1) @ self.weight.mT + self.bias

    def distances(self, images: Tensor, norm: str = "l2", basis: Tensor | None = None) -> Tensor:
        """From each image to the boundary against each class, `(z_y - z_k) / ||Q^T (w_y -
        w_k)||_q`, without the box; inf for y.

        `basis` is Q, `(D, dim)` with orthonormal columns; the identity when None.
        """
        logits = self(images).detach()
        own = logits.argmax(1)
        normals = self.weight.detach()[own][:, None] - self.weight.detach()
        normals = normals if basis is None else normals @ basis
        lengths = norms.norm_by_name(norm).dual(normals.flatten(0, 1)).view_as(logits)
        gaps = logits.gather(1, own[:, None]) - logits
        return (gaps / lengths).scatter(1, own[:, None], torch.inf)

    def margins(self, images: Tensor, norm: str = "l2", basis: Tensor | None = None) -> Tensor:
        """The distance to the closest other class, `(B,)`."""
        return self.distances(images, norm, basis).amin(1)


class Sphere(nn.Module):
    """Logits `[r^2 - ||x - c||^2, 0]`: the margin is `| ||x - c|| - r |` in l2, the Hessian of
    logit 0 is -2 I.
    """

    def __init__(self, radius: float, center: Tensor) -> None:
        super().__init__()
        self.radius, self.center = radius, center

    def forward(self, images: Tensor) -> Tensor:
        value = self.radius**2 - (images - self.center).flatten(1).square().sum(1)
        return torch.stack([value, torch.zeros_like(value)], 1)

    def margins(self, images: Tensor) -> Tensor:
        return ((images - self.center).flatten(1).norm(dim=1) - self.radius).abs()


class Quadratic(nn.Module):
    """Logits `[x^T A x / 2, 0]`, A `(D, D)` symmetric: the Hessian of logit 0 is A."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = matrix

    def forward(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        value = (flat @ self.matrix * flat).sum(1) / 2
        return torch.stack([value, torch.zeros_like(value)], 1)


class Constant(nn.Module):
    """The same logits for every image."""

    def __init__(self, *logits: float, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits, dtype=dtype))

    def forward(self, images: Tensor) -> Tensor:
        return self.logits.expand(len(images), -1)


def bent_to_nan(images: Tensor, at: Tensor) -> Tensor:
    """0 for each image, `(B, 1)`, but with a second derivative that is NaN at the image `at`: `0 |x
    - at|^{3/2}` along pixel 0.
    """
    away = (images.flatten(1)[:, :1] - at.flatten()[0]).abs()
    return 0 * away**1.5


class Quantised(nn.Module):
    """A network behind pixels that are rounded to `levels` steps: its gradient in the image is
    0.
    """

    def __init__(self, network: nn.Module, levels: int = 4) -> None:
        super().__init__()
        self.network, self.levels = network, levels

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images * self.levels).round() / self.levels)


class Noisy(nn.Module):
    """A network that adds fresh noise to its images at each call, in evaluation mode too."""

    def __init__(self, network: nn.Module, size: float = 0.05) -> None:
        super().__init__()
        self.network, self.size = network, size

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images + self.size * torch.randn_like(images))


class Shell(nn.Module):
    """Logits `[scale (| |m| - r | - w), 0]`, `m` the mean of the pixels less 1/2: class 1 is a
    shell at `|m| = r`, 2w thick.
    """

    def __init__(self, radius: float, half_width: float, scale: float = 1.0) -> None:
        super().__init__()
        self.radius, self.half_width, self.scale = radius, half_width, scale

    def forward(self, images: Tensor) -> Tensor:
        lead = self.scale * (
            (((images - 0.5).flatten(1).mean(1)).abs() - self.radius).abs() - self.half_width
        )
        return torch.stack([lead, torch.zeros_like(lead)], 1)


def _network(
    activation: nn.Module,
    classes: int = 4,
    shape: tuple[int, ...] = (1, 4, 4),
    width: int = 24,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    depth: int = 2,
) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        widths = [torch.Size(shape).numel(), *[width] * depth]
        hidden = [part for sizes in pairwise(widths) for part in (nn.Linear(*sizes), activation)]
        net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(width, classes)).to(dtype)
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, nn.Linear):
                layer.weight *= (
                    2.5  # torch's first weights are so small that all logits are about equal
                )
        net[-1].bias -= net(torch.full((1, *shape), 0.5, dtype=dtype))[
            0
        ]  # every class is near at gray images
    return net


def relu(**settings) -> nn.Module:
    """A small random piecewise linear network: its input Hessian is the Gauss-Newton matrix."""
    return _network(nn.ReLU(), **settings)


def softplus(**settings) -> nn.Module:
    """A small random smooth network: its logits are curved."""
    return _network(nn.Softplus(beta=4), **settings)


class Moody(nn.Sequential):
    """A network with batch normalisation and dropout, whose parts are in modes of their own: all
    that an attack may disturb.
    """

    def __init__(
        self,
        classes: int = 4,
        shape: tuple[int, ...] = (1, 4, 4),
        dtype: torch.dtype = torch.float64,
        head: nn.Sequential | None = None,
    ) -> None:
        super().__init__()
        self.stem = nn.BatchNorm2d(shape[0])
        self.dropout = nn.Dropout(0.5)
        self.head = head or relu(classes=classes, shape=shape)
        self.tail = nn.BatchNorm1d(self.head[-1].out_features)
        self.to(dtype)
        self.train()
        self.tail.eval()
        self.head[2].eval()
        self.head[1].weight.requires_grad_(False)
        self.head[3].weight.grad = torch.ones_like(self.head[3].weight)


def state(module: nn.Module) -> list:
    """All that must not move: numbers, modes, which parameters want gradients, their gradients, the
    global random state.
    """
    gradients = [
        None if parameter.grad is None else parameter.grad.tolist()
        for parameter in module.parameters()
    ]
    return [
        {name: value.tolist() for name, value in module.state_dict().items()},
        [part.training for part in module.modules()],
        [parameter.requires_grad for parameter in module.parameters()],
        gradients,
        torch.random.get_rng_state().tolist(),
    ]


def dct_basis(side: int, low: int, size: int, channels: int = 1) -> Tensor:
    """The orthonormal basis `(channels side^2, channels size^2)` of one DCT block, atom by atom
    from scipy.
    """
    from scipy.fft import idctn

    atoms = []
    for a in range(low, low + size):
        for b in range(low, low + size):
            impulse = torch.zeros(side, side, dtype=torch.float64)
            impulse[a, b] = 1
            atoms.append(torch.from_numpy(idctn(impulse.numpy(), norm="ortho")).flatten())
    return torch.kron(torch.eye(channels, dtype=torch.float64), torch.stack(atoms)).mT.contiguous()
