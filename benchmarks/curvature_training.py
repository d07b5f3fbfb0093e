"""Training steps that differentiate the input gradient, against a plain step: one forward and
backward pass.

Counted in thirds of a pass, the products of each layer (forward; backward to what came in; backward
to the weights), a plain step has 3. An input gradient has 2, and its own backward pass 4, as it
goes through both of them again, with a gradient in the weights each. So the step of CURE, with the
cross-entropy and gradients at two points, has 3 + 2 (2 + 4) = 15, five passes; that of the gradient
penalty 9, that of GradAlign 11. Forward over reverse, `d ||Dg||^2 = 2 d <Dg, g(x + h z) - g(x)>`
with the first Dg held and each product `<Dg, g>` a forward derivative, has two gradients without a
graph and two points of 6: 19. Its points can be one batch, which those of double backward cannot: z
comes from the gradient at x.

No exact step has less than 12, four passes: each of two points has a forward pass, a backward pass
to the image, the derivatives of both along the change of the gradient, and two products with it for
the weights. The cross-entropy adds none where it is of the pass that the gradient at x is of. That
is not so in training: it is in training mode, the term in evaluation mode, which differ where there
is batch normalisation or dropout. A finite difference of gradients in the weights would need four
points of 3: 12 too.

A `backward()` without `inputs` also goes on to the images of the double backward's graph, which
nobody asks for.
"""

import statistics
import time
from collections.abc import Callable

import torch
import torch.autograd.forward_ad as forward
import torch.nn.functional as F
from torch import Tensor, nn

from advcore import objectives
from advcore.criteria import Untargeted
from advcore.logit_gradients import differentiate
from advcore.networks import lenet
from advcore.norms import L2
from advcore.randomness import Randomness
from advcore.training import CURE, GradientAlignment, GradientPenalty
from advcore.training.loss_gradient import input_gradient
from benchmarks.setting import digits, machine

ROUNDS = 15
BATCH = 128


def forward_over_reverse(network: nn.Module, images: Tensor, labels: Tensor, h: float) -> Tensor:
    """A scalar with the gradient in the weights of `CURE(h=h)`, by forward derivatives along the
    change of the gradient.
    """

    def gradient(points: Tensor) -> Tensor:
        return differentiate(
            network, points, lambda logits: objectives.cross_entropy(logits, Untargeted(labels))
        )[0]

    here = gradient(images)
    moved = images + h * L2.steepest(here.sign())
    change = gradient(moved) - here
    with forward.dual_level():
        points = forward.make_dual(torch.cat([moved, images]), torch.cat([change, -change]))
        logits, slopes = forward.unpack_dual(network(points))
    twice = torch.cat([labels, labels])
    return (
        2 * ((logits.softmax(1) - F.one_hot(twice, logits.shape[1])) * slopes).sum() / len(images)
    )


def one_pass(network: nn.Module, images: Tensor, labels: Tensor, h: float) -> Tensor:
    """The cross-entropy and `CURE(h=h)`, both of one forward pass at the images."""
    images = images.detach().requires_grad_()
    plain = objectives.cross_entropy(network(images), Untargeted(labels))
    here = torch.autograd.grad(plain.sum(), images, create_graph=True)[0]
    _, there = input_gradient(
        network, images.detach() + h * L2.steepest(here.detach().sign()), labels
    )
    return plain.mean() + (there - here).flatten(1).square().sum(1).mean()


def main() -> None:
    """All in turn, medians of some rounds, first weights."""
    torch.manual_seed(0)
    network = lenet()
    weights = list(network.parameters())
    images, labels = digits("train", BATCH)
    source = Randomness(0, torch.arange(BATCH))
    cure, penalty, alignment = CURE(), GradientPenalty(), GradientAlignment(eps=0.1)
    ours, other = (
        cure(network, images, labels, source),
        forward_over_reverse(network, images, labels, cure.h),
    )
    for a, b in zip(
        torch.autograd.grad(ours, weights), torch.autograd.grad(other, weights), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)

    def step(*values: Callable[[], Tensor], **settings: object) -> Callable[[], None]:
        def run() -> None:
            network.zero_grad(set_to_none=True)
            loss = F.cross_entropy(network(images), labels)
            torch.stack([loss, *(value() for value in values)]).sum().backward(**settings)  # type: ignore[arg-type]

        return run

    def curvature() -> Tensor:
        return cure(network, images, labels, source)

    def shared() -> None:
        network.zero_grad(set_to_none=True)
        one_pass(network, images, labels, cure.h).backward(inputs=weights)

    runs = {
        "plain": (3, step()),
        "CURE, backward()": (15, step(curvature)),
        "CURE, backward(inputs=weights)": (15, step(curvature, inputs=weights)),
        "CURE, one pass for both terms": (12, shared),
        "CURE, forward over reverse": (
            19,
            step(lambda: forward_over_reverse(network, images, labels, cure.h)),
        ),
        "gradient penalty, inputs=weights": (
            9,
            step(lambda: penalty(network, images, labels, source), inputs=weights),
        ),
        "GradAlign, inputs=weights": (
            11,
            step(lambda: alignment(network, images, labels, source), inputs=weights),
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS + 1):
        for name, (_, run) in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    medians = {
        name: statistics.median(some[1:]) for name, some in times.items()
    }  # the first round does not count
    print(
        f"a step, LeNet, {BATCH} digits ({machine()}): {1e3 * medians['plain']:.1f} ms plain; "
        "in plain steps, and by the count"
    )
    for name, (thirds, _) in runs.items():
        print(f"  {name:33} {medians[name] / medians['plain']:5.2f} {thirds / 3:5.2f}")


if __name__ == "__main__":
    main()
