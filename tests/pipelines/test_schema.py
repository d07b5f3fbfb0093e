"""Mappings to frozen dataclasses and back."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest

from advcore.attacks import ATTACKS, Attack, Bisected, DeepFool
from advcore.learnt import Learnt
from advcore.pipelines.settings import schema
from advcore.probes import PROBES, Margins, Probe, Robustness
from advcore.training import Recipe
from advcore.workers.adapters import ADAPTERS
from advcore.workers.errors import InputError


class Animal(Protocol):
    def speak(self) -> str: ...


@dataclass(frozen=True)
class Cat:
    lives: int = 9

    def __post_init__(self) -> None:
        if self.lives < 1:
            raise ValueError(f"lives must be at least 1;\n got {self.lives}")

    def speak(self) -> str:
        return "miaow"


@dataclass(frozen=True)
class Masked:
    animal: Animal
    colour: Literal["red", "blue", 1] = "red"

    def speak(self) -> str:
        return "m"


@dataclass(frozen=True)
class Parrot:
    words: tuple[str, ...] = ()

    def speak(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True)
class Mute:
    kilos: float = 1.0


@dataclass(frozen=True)
class Named:
    kind: str = "x"

    def speak(self) -> str:
        return self.kind


@dataclass(frozen=True)
class Size:
    height: float
    width: float = 2.0


@dataclass(frozen=True)
class Zoo:
    name: str
    animals: dict[str, Animal]
    herd: tuple[Animal, ...] = (Cat(1),)
    star: Animal | None = None
    size: Size = Size(1.0)
    grid: tuple[float, ...] = ()
    place: tuple[int, int] = (0, 0)
    open: bool = True
    rest: dict[str, Any] = field(default_factory=dict)
    label: int | str = 0
    path: Path | None = None
    pair: Cat | Masked | None = None


@dataclass(frozen=True)
class Strange:
    value: object


CONVERTER = schema.make_converter({Animal: {"cat": Cat, "masked": Masked, "named": Named}})
HERE = __name__


def read(data: dict[str, Any], cls: type = Zoo) -> Any:
    return schema.structure(cls, data, "zoo", CONVERTER)


def zoo(**more: Any) -> dict[str, Any]:
    return {"name": "a", "animals": {"tom": {"kind": "cat"}}, **more}


def test_everything_goes_there_and_back() -> None:
    nested = {
        "kind": "masked",
        "animal": {"kind": "masked", "animal": {"kind": "cat", "lives": 3}, "colour": "blue"},
    }
    data = zoo(
        herd=[nested, {"kind": "cat"}],
        star=nested,
        size={"height": 3},
        grid=[1, "8/255", "1e-3", 0.5],
        place=[3, 4],
        open=False,
        rest={"deep": [1, {"x": None}]},
        label="words",
        path="a/b",
        pair={"kind": "cat"},
    )
    value = read(data)
    assert value.herd == (Masked(Masked(Cat(3), "blue")), Cat())
    assert value.star == value.herd[0]
    assert value.grid == (1.0, 8 / 255, 1e-3, 0.5)
    assert all(type(x) is float for x in value.grid)
    assert value.place == (3, 4)
    assert value.path == Path("a/b")
    back = schema.unstructure(value, converter=CONVERTER)
    assert json.loads(json.dumps(back)) == back
    assert back["herd"][0]["animal"] == {
        "kind": "masked",
        "animal": {"kind": "cat", "lives": 3},
        "colour": "blue",
    }
    assert back["star"] == back["herd"][0]
    assert back["pair"] == {"kind": "cat", "lives": 9}
    assert read(back) == value


def test_defaults_hold() -> None:
    assert read(zoo()) == Zoo("a", {"tom": Cat()})
    assert read(schema.unstructure(read(zoo()), converter=CONVERTER)) == read(zoo())


def test_a_seams_value_by_itself_bears_its_kind() -> None:
    assert schema.unstructure(Cat(2), converter=CONVERTER) == {"kind": "cat", "lives": 2}
    own = schema.unstructure(Parrot(("hi",)), seam=Animal, converter=CONVERTER)
    assert own == {"kind": f"{HERE}:Parrot", "words": ["hi"]}


def test_a_kind_can_be_ones_own_dataclass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "my_animals.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass(frozen=True)\nclass Dog:\n    barks: int = 1\n    def speak(self): return "
        "'woof'\n"
        "@dataclass(frozen=True)\nclass Stone:\n    kilos: float = 1.0\nNUMBER = 3\n"
    )
    (tmp_path / "my_broken.py").write_text("raise OSError('no disk')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    value = read(zoo(star={"kind": "my_animals:Dog", "barks": 3}))
    assert value.star.speak() == "woof"
    back = schema.unstructure(value, converter=CONVERTER)
    assert back["star"] == {"kind": "my_animals:Dog", "barks": 3}
    assert read(back) == value
    for kind, match in {
        "my_animals:Stone": (
            r"zoo.star: kind 'my_animals:Stone' is no Animal: it "
            r"lacks speak; write def speak\(self\)"
        ),
        "my_animals:NUMBER": (
            r"expected a frozen dataclass 'NUMBER' in 'my_animals', got the number 3; define "
            r"it there"
        ),
        "my_animals:Missing": r"expected a frozen dataclass 'Missing' in 'my_animals', got nothing",
        "my_nowhere:X": (
            r"module 'my_nowhere' cannot be imported \(ModuleNotFoundError.*\); is it on "
            r"PYTHONPATH\?"
        ),
        "my_broken:X": r"module 'my_broken' cannot be imported \(OSError: no disk\)",
    }.items():
        with pytest.raises(InputError, match=match):
            read(zoo(star={"kind": kind}))


def test_a_field_named_kind_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "my_named.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass(frozen=True)\nclass Named:\n    kind: str = 'x'\n    def speak(self): "
        "return ''\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(
        InputError, match=r"a field named 'kind' cannot be told from the class's own; rename it"
    ):
        read(zoo(star={"kind": "my_named:Named"}))


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"size": {"height": True}}, r"zoo.size.height: expected a number, got true"),
        ({"size": {"height": "tall"}}, r"zoo.size.height: expected a number, got the text 'tall'"),
        ({"size": {"height": "1/0"}}, r"zoo.size.height: expected a number, got the text '1/0'"),
        (
            {"size": {"height": math.nan}},
            r"zoo.size.height: expected a number, got NaN: write one, or leave the key out if",
        ),
        ({"size": {}}, r"zoo.size: missing key 'height'"),
        (
            {"size": 3},
            r"zoo.size: expected a mapping \(known keys: height, width\), got the number 3",
        ),
        (
            {"size": {"hieght": 3}},
            (
                r"missing key 'height'; zoo.size: unknown key 'hieght'; did you mean "
                r"'height'\? known: height, width"
            ),
        ),
        ({"name": 3}, r"zoo.name: expected a text, got the number 3; write it in quotes"),
        ({"open": 1}, r"zoo.open: expected true or false, got the number 1"),
        ({"place": [1.0, 2]}, r"zoo.place\[0\]: expected a whole number, got the number 1.0"),
        (
            {"place": [True, "2"]},
            r"zoo.place\[0\]: .* got true; zoo.place\[1\]: .* got the text '2'",
        ),
        ({"place": [1]}, r"zoo.place: expected a list of 2 values, got a list of 1"),
        ({"place": {}}, r"zoo.place: expected a list, got a mapping"),
        ({"grid": "12"}, r"zoo.grid: expected a list, got the text '12'"),
        ({"grid": 1}, r"zoo.grid: expected a list, got the number 1"),
        ({"rest": [1]}, r"zoo.rest: expected a mapping, got a list of 1"),
        ({"rest": None}, r"zoo.rest: expected a mapping, got nothing"),
        ({"animals": {1: {"kind": "cat"}}}, r"zoo.animals\[1\]: expected a text, got the number 1"),
        (
            {"label": [1]},
            (
                r"zoo.label: expected a whole number or a text, got a list of 1; write it in "
                r"quotes if it is one"
            ),
        ),
        ({"label": True}, r"zoo.label: expected a whole number or a text, got true; write"),
        (
            {"herd": [{"kind": "cat"}, {"kind": "cta"}]},
            r"zoo.herd\[1\]: unknown kind 'cta'; did you mean 'cat'\? known kinds: cat, m",
        ),
        (
            {"star": {"lives": 3}},
            r"zoo.star: expected a mapping with the key 'kind', got none; known kinds: cat, masked",
        ),
        ({"pair": {"kind": "named"}}, r"zoo.pair: unknown kind 'named'; known kinds: cat, masked$"),
        (
            {"pair": {"kind": "my:Own"}},
            r"zoo.pair: kind 'my:Own' cannot be taken here; use one of cat, masked",
        ),
        (
            {"star": {"kind": "dog"}},
            (
                r"zoo.star: unknown kind 'dog'; known kinds: cat, masked, named, or "
                r"package.module:Class"
            ),
        ),
        ({"star": "cat"}, r"zoo.star: expected a mapping with the key 'kind', got the text 'cat'"),
        (
            {"star": {"kind": 3}},
            r"zoo.star: expected a text as kind, got the number 3; known kinds: cat",
        ),
        ({"star": {"kind": "cat", "lives": 0}}, r"zoo.star: lives must be at least 1; got 0$"),
        (
            {"herd": [{"kind": "masked", "animal": {"kind": "cat", "life": 3}}]},
            r"zoo.herd\[0\].animal: unknown key 'life'; did you mean 'li",
        ),
        (
            {"herd": [{"kind": "masked", "animal": {"kind": "cat"}, "colour": "Red"}]},
            r"one of red, blue, 1, got the text 'Red'; did you mean 'red'",
        ),
        (
            {"herd": [{"kind": "masked", "animal": {"kind": "cat"}, "colour": True}]},
            r"herd\[0\].colour: expected one of red, blue, 1, got true",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place_in_one_line(more: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match) as refused:
        read(zoo(**more))
    assert "\n" not in str(refused.value)


def test_many_errors_are_cut() -> None:
    with pytest.raises(InputError, match=r"zoo.grid\[0\]: .*zoo.grid\[4\]: [^;]*; and 4 more$"):
        read(zoo(grid=[True] * 9))


def test_a_type_that_no_file_can_hold_is_refused() -> None:
    with pytest.raises(
        InputError,
        match=(
            r"zoo: a field of type <class 'object'> cannot be written in a file; leave it to "
            r"the code"
        ),
    ):
        read({"value": 3}, Strange)


def test_a_union_takes_none_and_the_first_that_fits() -> None:
    assert schema.structure(int | float | None, None, "x", CONVERTER) is None
    assert schema.structure(int | float | None, "1/2", "x", CONVERTER) == 0.5
    assert type(schema.structure(int | float | None, 2, "x", CONVERTER)) is int


def test_the_real_seams_are_wired() -> None:
    assert schema.SEAMS[Attack] == {**ATTACKS, **ADAPTERS}
    assert schema.SEAMS[Probe] is PROBES
    robust = {"kind": "adversarial", "attack": {"kind": "pgd", "norm": "l2", "eps": "8/255"}}
    ramp = {"kind": "linear", "points": [[0, 0], ["1/4", 1]]}
    recipe = {
        "objective": {"robust": robust},
        "schedules": {"robust.attack.eps": ramp},
        "epochs": 2,
    }
    value = schema.structure(Recipe, recipe, "recipe")
    assert value.objective["robust"].attack.eps == 8 / 255
    assert value.schedules["robust.attack.eps"](0.125) == 0.5
    assert schema.structure(Recipe, schema.unstructure(value)) == value
    probe = Robustness(eps=(0.5,), attacks=(Bisected(DeepFool(norm="l2")),))
    data = schema.unstructure(probe)
    assert data["kind"] == "robustness"
    assert data["attacks"][0]["attack"]["kind"] == "deepfool"
    assert schema.structure(Probe, data) == probe
    assert schema.unstructure(Margins())["family"]["kind"] == "dct"
    with pytest.raises(
        InputError,
        match=r"study.attacks\[0\]: unknown key 'stepz'; did you mean 'steps'\? known: .*steps",
    ):
        schema.structure(
            Probe,
            {
                "kind": "robustness",
                "eps": [1],
                "attacks": [{"kind": "deepfool", "norm": "l2", "stepz": 3}],
            },
        )


OWN_ATTACKS = """
from dataclasses import dataclass, replace
from advcore.attacks import Attack, PGD

@dataclass(frozen=True)
class Without:
    eps: float | None = None
    def __call__(self, classifier, images, criterion, randomness=None):
        return PGD(eps=self.eps, norm="l2", steps=2)(classifier, images, criterion, randomness)

@dataclass(frozen=True)
class With(Without):
    norm: str = "l2"
"""


def test_an_own_attack_without_a_norm_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_attacks.py").write_text(OWN_ATTACKS)
    monkeypatch.syspath_prepend(tmp_path)
    probe = {"kind": "robustness", "eps": [0.5], "attacks": [{"kind": "own_attacks:Without"}]}
    refusal = r"kind 'own_attacks:Without' is no Attack: it lacks norm; write norm: str"
    with pytest.raises(InputError, match=refusal):
        schema.structure(Probe, probe)
    held = {"kind": "restarts", "count": 2, "attack": {"kind": "own_attacks:Without"}}
    with pytest.raises(InputError, match=refusal):
        schema.structure(Probe, probe | {"attacks": [held]})
    own = schema.structure(Probe, probe | {"attacks": [{"kind": "own_attacks:With"}]})
    assert own.attacks[0].norm == "l2"


@dataclass(frozen=True)
class OnFits:
    fit: Learnt
    other: Learnt | None = None
    more: tuple[Learnt, ...] = ()


def test_a_fit_is_written_as_its_name() -> None:
    data = {"fit": "uap", "other": None, "more": ["a", "b"]}
    value = schema.structure(OnFits, data)
    assert value == OnFits(Learnt("uap"), None, (Learnt("a"), Learnt("b")))
    assert schema.unstructure(value) == data
    for wrong in (3, "", {"of": "uap"}):
        with pytest.raises(InputError, match=r"study.fit: expected the name of a fit, got "):
            schema.structure(OnFits, {"fit": wrong})
