"""What a library does not have is said in one line."""

import sys

import pytest

from advcore.workers.adapters import ADAPTERS
from advcore.workers.adapters.catalogue import check_settings, choose, parameters
from advcore.workers.errors import InputError


def test_a_name_is_sought_in_its_kind() -> None:
    kinds = {"zoo": {"PGD": 1, "LinfPGD": 2, "Noise": 3}, "zoo_minimal": {"DDN": 4}}
    assert choose("zoo", "PGD", kinds) == 1
    with pytest.raises(InputError, match="zoo: DDN takes no eps; name it by kind zoo_minimal"):
        choose("zoo", "DDN", kinds)
    with pytest.raises(InputError, match="zoo_minimal: PGD takes an eps; name it by kind zoo"):
        choose("zoo_minimal", "PGD", kinds)
    with pytest.raises(InputError, match="zoo: there is no attack 'LinfPDG'; there is LinfPGD"):
        choose("zoo", "LinfPDG", kinds)
    with pytest.raises(
        InputError, match="zoo: there is no attack 'xyz'; there is LinfPGD, Noise, PGD"
    ):
        choose("zoo", "xyz", kinds)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_a_missing_library_is_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = {"f": "foolbox", "t": "torchattacks", "a": "adv-lib"}[kind[0]]
    for module in (package.replace("-", "_"), package.replace("-", "_") + ".attacks"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        InputError, match=rf"the library {package} is not installed \(.*\): pip install {package}$"
    ):
        ADAPTERS[kind]("PGD", "linf")


def test_settings_are_the_names_that_a_function_takes() -> None:
    known = parameters(lambda steps, *rest, gamma=1, **more: None)
    assert known == {"steps", "gamma"}
    check_settings("zoo", "PGD", {"steps": 3}, known)
    with pytest.raises(
        InputError, match="zoo: PGD knows no setting rest, step; known: gamma, steps"
    ):
        check_settings("zoo", "PGD", {"step": 3, "rest": 1}, known)
    with pytest.raises(InputError, match="zoo: PGD knows no setting step; known: none"):
        check_settings("zoo", "PGD", {"step": 3}, set())
