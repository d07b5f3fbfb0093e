"""Classes of one's own, checked when a study is read: what a seam asks for, one word after the
other left out.
"""

import itertools
from pathlib import Path

import pytest

from advcore.attacks.attack import Attack, BudgetAttack, WrapperAttack
from advcore.pipelines.claims import Claim
from advcore.pipelines.settings import schema
from advcore.probes import Probe
from advcore.seams import as_written, members
from advcore.subspaces import FamilySpec
from advcore.training import Augmentation, Schedule, Term, Watch
from advcore.training.term import Replaying
from advcore.workers.errors import InputError

PARTS = {
    "attack": (Attack, {"norm": "norm: str = 'l2'", "__call__": "def __call__(self, *batch): ..."}),
    "probe": (
        Probe,
        {
            "validate": "def validate(self, shape, classes): ...",
            "measure": "def measure(self, classifier, batch, randomness): ...",
            "summarise": "def summarise(self, table): ...",
            "charts": "def charts(self, tables): ...",
        },
    ),
    "counting": (
        Probe,
        {
            "units": "def units(self, samples): ...",
            "samples_of": "def samples_of(self, start, stop): ...",
            "merged": "def merged(self, table): ...",
            None: "def validate(self, shape, classes): ...\n"
            "    def measure(self, classifier, batch, randomness): ...\n"
            "    def summarise(self, table): ...\n"
            "    def charts(self, tables): ...",
        },
    ),
    "term": (
        Term,
        {"weight": "weight: float = 1.0", "__call__": "def __call__(self, *batch): ..."},
    ),
    "claim": (
        Claim,
        {"says": "says: str = 'so'", "measure": "def measure(self, tables): ..."},
    ),
    "watch": (
        Watch,
        {"samples": "samples: int = 1", "__call__": "def __call__(self, *batch): ..."},
    ),
    "wrapper": (
        Attack,
        {
            "wrapped": "wrapped = ()",
            "with_wrapped": "def with_wrapped(self, attacks): ...",
            None: "norm: str = 'l2'\n    def __call__(self, *batch): ...",
        },
    ),
    "replaying": (
        Term,
        {
            "replays": "replays: int = 2",
            "replay": "def replay(self, *batch): ...",
            None: "weight: float = 1.0\n    def __call__(self, *batch): ...",
        },
    ),
    "bounded": (
        Claim,
        {
            "at_least": "at_least: float = 0.0",
            "at_most": "at_most: float = 1.0",
            None: "says: str = 'so'\n    def measure(self, tables): ...",
        },
    ),
}
"""By what it is to be: the seam, and how each of its words is written; None for words of another
Protocol.
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest):
    """Structures an instance of a class of these lines, in a module of the test's own."""
    monkeypatch.syspath_prepend(tmp_path)
    modules = (f"own_{abs(hash(request.node.name))}_{count}" for count in itertools.count())

    def make(seam, lines):
        module = next(modules)
        text = "from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass Own:\n"
        (tmp_path / f"{module}.py").write_text(text + "".join(f"    {line}\n" for line in lines))
        return schema.structure(seam, {"kind": f"{module}:Own"})

    return make


@pytest.mark.parametrize("what", PARTS)
def test_a_whole_class_is_taken(what, own):
    seam, parts = PARTS[what]
    assert type(own(seam, parts.values())).__name__ == "Own"


@pytest.mark.parametrize(
    ("what", "word"), [(what, word) for what, (_, parts) in PARTS.items() for word in parts if word]
)
def test_a_class_that_lacks_a_word_is_refused_with_it(what, word, own):
    seam, parts = PARTS[what]
    named = {
        "wrapper": "WrapperAttack",
        "counting": "Counting",
        "replaying": "Replaying",
        "bounded": "Bounded",
    }
    lines = [line for name, line in parts.items() if name != word]
    with pytest.raises(
        InputError,
        match=rf":Own' is no {named.get(what, seam.__name__)}: it lacks {word}; write .*{word}",
    ):
        own(seam, lines)


def test_an_attack_whose_eps_is_no_field_wraps_others(own):
    lines = [
        "norm: str = 'l2'",
        "def __call__(self, *batch): ...",
        "@property\n    def eps(self): ...",
    ]
    with pytest.raises(
        InputError,
        match=r"is no WrapperAttack: it lacks wrapped, with_wrapped; write wrapped: "
        r"tuple\[Attack, \.\.\.\], def with_wrapped\(self, attacks\)",
    ):
        own(Attack, lines)
    assert type(own(Attack, [*lines[:2], "eps: float | None = None"])).__name__ == "Own"


def test_a_seam_asks_for_what_it_inherits():
    assert list(members(BudgetAttack)) == ["norm", "__call__", "eps"]
    assert list(members(WrapperAttack)) == ["norm", "__call__", "wrapped", "with_wrapped"]


def test_how_a_word_is_written():
    assert as_written(Replaying, ["weight", "replays", "replay"]) == (
        "weight: float, replays: int, def replay(self, network, images, labels, randomness)"
    )


@pytest.mark.parametrize("seam", [Schedule, Augmentation, FamilySpec])
def test_an_empty_class_lacks_something_of_every_seam(seam, own):
    with pytest.raises(InputError, match=rf"is no {seam.__name__}: it lacks "):
        own(seam, ["size: int = 3"])


def test_a_class_that_is_not_frozen_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lines = "".join(f"    {line}\n" for line in PARTS["attack"][1].values())
    for name, above in {"thawed": "@dataclass\n", "plain": ""}.items():
        text = f"from dataclasses import dataclass\n{above}class Own:\n{lines}"
        (tmp_path / f"own_{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for name, came in {"thawed": "a dataclass that is not frozen", "plain": "another cl"}.items():
        match = rf"expected a frozen dataclass 'Own', got {came}.*; write @dataclass\(frozen=True\)"
        with pytest.raises(InputError, match=match):
            schema.structure(Attack, {"kind": f"own_{name}:Own"})
