"""Training on tasks other than classification, on inputs as they are or attacked."""

from dataclasses import dataclass

from torch import Tensor, nn

from advcore.attacks import Attack
from advcore.attacks.attack import has_budget
from advcore.attacks.budget import check_eps
from advcore.attacks.climbing import climbed
from advcore.classifier import frozen
from advcore.noise_of_size import add_noise, check_noise
from advcore.randomness import Randomness
from advcore.tasks import Decided, Task, decided_right
from advcore.training.term import check_weight


@dataclass(frozen=True)
class TaskTraining:
    """The mean loss of a task, `loss(f(x + r), y)`, x and y posed anew in each epoch.

    The labels of the data are not looked at. With an `attack`, r is what makes the task's criterion
    fail most, as adversarial training has it, with the network in evaluation mode; without one it
    is 0.

    Attributes:
        task: task, which says the loss and the criterion.
        attack: attack of the inner maximisation, with its eps; None for plain training.
        noise: l2 length of random noise in place of the attack, in the box, pixel units: the
            control beside one of that eps. 0 for none.
        weight: weight of the term.
    """

    task: Task
    attack: Attack | None = None
    noise: float = 0.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_noise("l2", self.noise)
        if self.attack is not None:
            if not has_budget(self.attack):
                raise ValueError("attack needs a budget: take pgd or fgsm, with its eps")
            check_eps(self.attack.eps, wanted=True)
            if self.noise:
                raise ValueError(f"noise is in place of an attack; got both, noise {self.noise}")

    def __call__(
        self, network: nn.Module, images: Tensor, labels: Tensor, randomness: Randomness
    ) -> Tensor:
        inputs, targets = self.task.pose(images, randomness.stream("task"))
        if self.attack is not None and has_budget(self.attack) and self.attack.eps != 0:
            decided = Decided(network, self.task.criterion, targets)
            with frozen(network, compiled=True):
                inputs = climbed(self.attack, decided, inputs, decided_right(targets), randomness)
        if self.noise:
            inputs = add_noise(inputs, "l2", self.noise, randomness, box=True)
        return self.task.loss(network(inputs), targets).mean()
