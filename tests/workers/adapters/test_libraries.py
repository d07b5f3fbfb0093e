"""Each adapter beside its library called by hand; skipped where the library is not installed."""

import inspect
from collections.abc import Callable
from typing import Any

import oracles
import pytest
import torch
from torch import Tensor, nn

from advcore import Randomness, Targeted, Untargeted
from advcore.attacks import Bisected, Restarts, Status, Within, kind_and_norm, l0
from advcore.attacks.attack import has_budget, with_budget
from advcore.workers.adapters import (
    ADAPTERS,
    AdvLib,
    AdvLibMinimal,
    Foolbox,
    FoolboxMinimal,
    Torchattacks,
    TorchattacksMinimal,
)
from advcore.workers.adapters.adv_lib import UNTARGETED
from advcore.workers.adapters.peer import seed_of
from advcore.workers.errors import InputError

NETWORK = oracles.relu(shape=(1, 8, 8), dtype=torch.float32).eval()
IMAGES = oracles.images(12, (1, 8, 8), torch.float32)
PREDICTED = NETWORK(IMAGES).argmax(1)
EPS = 0.1
SOURCE = Randomness(5, torch.arange(100, 112))

ByHand = Callable[[Any, nn.Module, Tensor, Tensor], Tensor]


def foolbox_by_hand(make: Callable[[Any], Any], eps: float | None) -> ByHand:
    return lambda foolbox, network, x, y: make(foolbox.attacks)(
        foolbox.PyTorchModel(network, (0, 1)), x, y, epsilons=eps
    )[1]


CASES: list[tuple[str, Callable[[], Any], ByHand]] = [
    ("foolbox", lambda: Foolbox("LinfPGD", "linf", {"steps": 10}, EPS),
     foolbox_by_hand(lambda attacks: attacks.LinfPGD(steps=10), EPS)),
    ("foolbox", lambda: Foolbox("L2AdamPGD", "l2", {"steps": 10}, 0.4),
     foolbox_by_hand(lambda attacks: attacks.L2AdamPGD(steps=10), 0.4)),
    ("foolbox", lambda: FoolboxMinimal("DDNAttack", "l2", {"steps": 20}),
     foolbox_by_hand(lambda attacks: attacks.DDNAttack(steps=20), None)),
    ("foolbox", lambda: FoolboxMinimal("LInfFMNAttack", "linf", {"steps": 20}),
     foolbox_by_hand(lambda attacks: attacks.LInfFMNAttack(steps=20), None)),
    ("foolbox", lambda: FoolboxMinimal("L2CarliniWagnerAttack", "l2",
        {"steps": 20, "stepsize": 0.1}),
     foolbox_by_hand(lambda attacks: attacks.L2CarliniWagnerAttack(steps=20, stepsize=0.1), None)),
    ("foolbox", lambda: FoolboxMinimal("L2DeepFoolAttack", "l2"),
     foolbox_by_hand(lambda attacks: attacks.L2DeepFoolAttack(), None)),
    ("torchattacks", lambda: Torchattacks("PGD", "linf", {"steps": 10, "alpha": 0.01}, EPS),
     lambda library, network, x, y: library.PGD(network, eps=EPS, alpha=0.01, steps=10)(x, y)),
    ("torchattacks", lambda: Torchattacks("APGD", "l2", eps=0.4),
     lambda library, network, x, y:
        library.APGD(network, norm="L2", eps=0.4, seed=seed_of(SOURCE))(x, y)),
    ("torchattacks", lambda: Torchattacks("Square", "linf", {"n_queries": 30, "seed": 7}, EPS),
     lambda library, network, x, y:
        library.Square(network, norm="Linf", eps=EPS, n_queries=30, seed=7)(x, y)),
    ("torchattacks", lambda: TorchattacksMinimal("DeepFool", "l2"),
     lambda library, network, x, y: library.DeepFool(network)(x, y)),
    ("torchattacks", lambda: TorchattacksMinimal("CW", "l2", {"c": 10, "lr": 0.1}),
     lambda library, network, x, y: library.CW(network, c=10, lr=0.1)(x, y)),
    ("torchattacks", lambda: TorchattacksMinimal("SparseFool", "pixels"),
     lambda library, network, x, y: library.SparseFool(network)(x, y)),
    ("adv_lib", lambda: AdvLib("pgd_linf", "linf", {"steps": 10}, EPS),
     lambda library, network, x, y: library.attacks.pgd_linf(network, x, y, ε=EPS, steps=10)),
    ("adv_lib", lambda: AdvLib("apgd", "l2", {"n_iter": 10}, 0.4),
     lambda library, network, x, y:
        library.attacks.apgd(network, x, y, eps=0.4, norm=2, n_iter=10)),
    ("adv_lib", lambda: AdvLibMinimal("ddn", "l2", {"levels": None, "steps": 20}),
     lambda library, network, x, y: library.attacks.ddn(network, x, y, steps=20, levels=None)),
    ("adv_lib", lambda: AdvLibMinimal("fmn", "linf", {"steps": 20}),
     lambda library, network, x, y: library.attacks.fmn(network, x, y, norm=torch.inf, steps=20)),
    ("adv_lib", lambda: AdvLibMinimal("fab", "l2", {"n_iter": 10}),
     lambda library, network, x, y: library.attacks.fab(network, x, y, norm=2, n_iter=10)),
    ("adv_lib", lambda: AdvLibMinimal("df", "linf"),
     lambda library, network, x, y: library.attacks.df(network, x, y, norm=torch.inf)),
    ("adv_lib", lambda: AdvLibMinimal("sdf", "l2"),
     lambda library, network, x, y: library.attacks.sdf(network, x, y)),
    ("adv_lib", lambda: AdvLibMinimal("carlini_wagner_l2", "l2",
        {"max_iterations": 20, "learning_rate": 0.1}),
     lambda library, network, x, y:
        library.attacks.carlini_wagner_l2(network, x, y, max_iterations=20, learning_rate=0.1)),
]  # fmt: skip


def imported(module: str) -> Any:
    library = pytest.importorskip(module)
    pytest.importorskip(f"{module}.attacks")
    return library


@pytest.mark.parametrize(
    ("module", "make", "by_hand"),
    CASES,
    ids=[f"{case[0]}{number}" for number, case in enumerate(CASES)],
)
def test_distances_are_those_of_the_library_called_by_hand(
    module: str, make: Callable[[], Any], by_hand: ByHand
) -> None:
    library, attack = imported(module), make()
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(seed_of(SOURCE))
        for parameter in NETWORK.parameters():
            parameter.requires_grad_(False)
        images = by_hand(library, NETWORK, IMAGES.clone(), PREDICTED).detach()
    result = attack(NETWORK, IMAGES, Untargeted(PREDICTED), SOURCE)
    found = NETWORK(images).argmax(1) != PREDICTED
    distance = l0.size_by_name(attack.norm).size(images - IMAGES)
    if has_budget(attack):
        assert (distance <= attack.eps * (1 + 1e-5)).all()
    assert found.sum() >= 3
    assert torch.equal(result.found, found)
    assert torch.equal(result.images[found], images[found])
    assert torch.equal(result.distance, distance.masked_fill(~found, torch.inf))
    assert (result.status[~found] == (Status.ROBUST if has_budget(attack) else Status.FAILED)).all()
    assert (result.queries > 2).all()


@pytest.mark.parametrize(
    ("module", "make", "by_hand"),
    CASES,
    ids=[f"{case[0]}{number}" for number, case in enumerate(CASES)],
)
def test_the_model_is_left_alone_and_rows_are_the_same_again(
    module: str, make: Callable[[], Any], by_hand: ByHand
) -> None:
    imported(module)
    attack, model = make(), oracles.Moody(shape=(1, 8, 8), dtype=torch.float32)
    before = oracles.state(model)
    labels = Untargeted(torch.arange(12) % 4)
    results = [attack(model, IMAGES, labels, SOURCE) for _ in range(2)]
    assert oracles.state(model) == before
    assert torch.equal(results[0].images, results[1].images)
    model.eval()
    assert torch.equal(results[0].found, labels.holds(model(results[0].images)))
    assert not results[0].images.requires_grad


@pytest.mark.parametrize(
    ("module", "make"),
    [
        ("foolbox", lambda: Foolbox("LinfPGD", "linf", {"steps": 20, "rel_stepsize": 0.1}, 0.3)),
        ("foolbox", lambda: FoolboxMinimal("L2FMNAttack", "l2")),
        ("torchattacks", lambda: Torchattacks("PGD", "linf", {"steps": 20, "alpha": 0.03}, 0.3)),
        ("torchattacks", lambda: TorchattacksMinimal("CW", "l2", {"c": 10, "lr": 0.1})),
        ("adv_lib", lambda: AdvLib("apgd", "linf", {"n_iter": 20}, 0.3)),
        ("adv_lib", lambda: AdvLibMinimal("ddn", "l2")),
    ],
)
def test_targets_are_reached(module: str, make: Callable[[], Any]) -> None:
    imported(module)
    targets = (PREDICTED + 1) % 4
    result = make()(NETWORK, IMAGES, Targeted(targets), SOURCE)
    assert result.found.sum() >= 6
    assert torch.equal(NETWORK(result.images).argmax(1) == targets, result.found)


@pytest.mark.parametrize(
    ("module", "make", "match"),
    [
        (
            "foolbox",
            lambda: Foolbox("FGSM", "linf", eps=EPS),
            "foolbox's LinfFastGradientAttack takes no Targeted criterion",
        ),
        (
            "torchattacks",
            lambda: TorchattacksMinimal("DeepFool", "l2"),
            "torchattacks' DeepFool takes no Targeted criterion",
        ),
        (
            "torchattacks",
            lambda: Torchattacks("FAB", "l2", eps=EPS),
            "torchattacks' FAB takes no Targeted criterion",
        ),
        ("adv_lib", lambda: AdvLibMinimal("df", "l2"), "adv-lib's df takes no Targeted criterion"),
    ],
)
def test_a_criterion_that_the_peer_does_not_take_is_refused(
    module: str, make: Callable[[], Any], match: str
) -> None:
    imported(module)
    with pytest.raises(ValueError, match=match):
        make()(NETWORK, IMAGES, Targeted((PREDICTED + 1) % 4))


def test_adv_libs_attacks_without_targets_are_all_known() -> None:
    attacks = imported("adv_lib").attacks
    sources = {
        name: inspect.getsource(value)
        for name, value in vars(attacks).items()
        if inspect.isfunction(value)
    }
    silent = {name for name, source in sources.items() if "untargeted only" in source}
    assert set(UNTARGETED) == silent | {"apgd_targeted"}


@pytest.mark.parametrize(
    ("kind", "name", "norm", "settings", "match"),
    [
        ("foolbox", "DDNAttack", "l2", {}, ("foolbox: DDNAttack takes no eps; name it by "
"kind foolbox_minimal")),
        ("foolbox", "LinfPGD", "l2", {}, "foolbox: LinfPGD measures in linf; got norm l2"),
        ("foolbox_minimal", "InversionAttack", "pixels", {}, ("foolbox measures in l0, l1, "
"l2, linf; "
"got norm pixels")),
        ("foolbox", "LinfPGD", "linf", {"stepz": 3}, ("LinfPGD knows no setting stepz; "
"known: .*steps")),
        ("foolbox", "SpatialAttack", "linf", {}, "there is no attack 'SpatialAttack'"),
        ("torchattacks", "CW", "l2", {}, ("torchattacks: CW takes no eps; name it by kind "
"torchattacks_minimal")),
        ("torchattacks_minimal", "PGD", "linf", {}, ("torchattacks_minimal: PGD takes an "
"eps; name it "
"by kind torchattacks")),
        ("torchattacks", "PGD", "linf", {"eps": 0.1}, ("PGD knows no setting eps; known: alpha, "
"random_start, steps")),
        ("torchattacks", "APGD", "l0", {}, ("APGD knows the norms l1, l2, linf at "
"most; got norm l0")),
        ("torchattacks", "MultiAttack", "l2", {}, "there is no attack 'MultiAttack'"),
        ("adv_lib", "ddn", "l2", {}, "adv_lib: ddn takes no eps; name it by kind adv_lib_minimal"),
        ("adv_lib_minimal", "fmn", "pixels", {}, ("fmn knows the norms l0, l1, l2, linf at "
"most; got norm pixels")),
        ("adv_lib_minimal", "fmn", "l2", {"norm": 2}, "fmn knows no setting norm; known"),
        ("adv_lib_minimal", "perc_al", "l2", {}, "there is no attack 'perc_al'"),
    ],
)  # fmt: skip
def test_what_the_library_does_not_have_is_refused(
    kind: str, name: str, norm: Any, settings: Any, match: str
) -> None:
    imported(kind.removesuffix("_minimal"))
    with pytest.raises(InputError, match=match):
        ADAPTERS[kind](name, norm, settings)


def test_adapters_are_values_that_wrappers_take() -> None:
    imported("foolbox")
    budget, minimal = Foolbox("LinfPGD", "linf", {"steps": 5}), FoolboxMinimal("DDNAttack", "l2")
    assert has_budget(budget)
    assert not has_budget(minimal)
    assert with_budget(Restarts(budget, 2), 0.1) == Restarts(
        Foolbox("LinfPGD", "linf", {"steps": 5}, 0.1), 2
    )
    assert (kind_and_norm(budget), kind_and_norm(minimal)) == (
        "Foolbox-LinfPGD-linf",
        "FoolboxMinimal-DDNAttack-l2",
    )
    assert (
        len(
            {
                budget,
                Foolbox("LinfPGD", "linf", {"steps": 5}),
                Foolbox("LinfPGD", "linf", {"steps": 6}),
            }
        )
        == 2
    )
    with pytest.raises(ValueError, match="needs eps, a radius in pixel units"):
        budget(NETWORK, IMAGES, Untargeted(PREDICTED))
    plain, drawn = (
        attack(NETWORK, IMAGES, Untargeted(PREDICTED), SOURCE)
        for attack in (minimal, Bisected(minimal))
    )
    assert (drawn.distance <= plain.distance).all()
    assert torch.equal(
        Within(minimal, 0.3)(NETWORK, IMAGES, Untargeted(PREDICTED), SOURCE).found,
        plain.distance <= 0.3,
    )
