"""Files of every shape: valid ones come back as they were, whatever else is in them gets one line
and status 2.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from mappings import by_kind, mapping_of, spoilt
from sweeps import tiny_sweep

from advcore.pipelines import cli
from advcore.pipelines.graph.plan import prepare
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.settings import schema
from advcore.pipelines.settings.documents import load_yaml
from advcore.pipelines.sweep.plan import check_trial_settings, plan_of
from advcore.pipelines.sweep.settings import Sweep
from advcore.pipelines.training.loading import load_training
from advcore.pipelines.training.settings import Training
from advcore.workers.errors import InputError

MANY = settings.default.max_examples
FILES = {"study": Study, "training": Training, "sweep": Sweep}
KINDS = [(seam, kind, cls) for seam, known in schema.SEAMS.items() for kind, cls in known.items()]
ALWAYS_REFUSED = (
    "pbt changes the settings|needs the package|is not installed|there is no att(ack|ribution)"
    "|give of.table|a method of one strength|give of.over"
    "|up_to is a limit beyond above|architecture must be one of"
)
"""Why a kind may be refused whatever its settings: always, without its package, for its names,
which that package has, for numbers that are none of a table's, as all drawn ones are, or for two
settings that fit each other, as drawn ones do not."""


def through_a_file(data: Any, file: Path) -> Any:
    file.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return load_yaml(file)


def comes_back(cls: Any, data: dict[str, Any], file: Path) -> str:
    """Why the data is refused; nothing if it is valid: then it comes back through its own words and
    a file, and means the same.
    """
    try:
        value = schema.structure(cls, data)
    except InputError as refusal:
        why = str(refusal)
        assert re.fullmatch(r"study[^\n]*", why)
        return why
    words = schema.unstructure(value, cls)
    again = schema.structure(cls, through_a_file({"x": words}, file)["x"])
    assert again == value
    assert json.dumps(schema.unstructure(again, cls), sort_keys=True) == json.dumps(
        words, sort_keys=True
    ), "another key in the store"
    return ""


@pytest.mark.parametrize(("seam", "kind", "cls"), KINDS, ids=[kind for _, kind, _ in KINDS])
def test_every_kind_comes_back_from_a_file(seam: Any, kind: str, cls: type, tmp_path: Path) -> None:
    refusals = []

    @settings(max_examples=MANY // 4)
    @given(by_kind(kind, cls))
    def check(data: dict[str, Any]) -> None:
        refusals.append(comes_back(seam, data, tmp_path / "x.yaml"))

    check()
    assert "" in refusals or any(re.search(ALWAYS_REFUSED, refusal) for refusal in refusals), (
        refusals
    )


SECTIONS: dict[str, dict[str, Any]] = {
    "study": {
        "name": "tiny",
        "models": {"one": {"architecture": "perceptron"}},
        "data": {"name": "digits", "samples": 6},
        "probes": {"noise": {"kind": "noise", "sigmas": [0.1], "draws": 1}},
        "run": {"out": "out", "track": False},
    },
    "training": {"name": "tiny", "run": {"out": "out", "track": False}, **tiny_sweep()["recipe"]},
    "sweep": tiny_sweep(),
}
"""A valid file of each kind."""


@st.composite
def files(draw: Any, what: str) -> dict[str, Any]:
    """A valid file in which one or two sections are others."""
    drawn = draw(mapping_of(FILES[what], 3))
    changed = draw(st.lists(st.sampled_from(sorted(drawn)), min_size=1, max_size=2))
    return {**SECTIONS[what], **{name: drawn[name] for name in changed}}


@pytest.mark.parametrize("what", FILES)
def test_files_come_back(what: str, tmp_path: Path) -> None:
    refusals = []

    @settings(max_examples=MANY // 2)
    @given(files(what))
    def check(data: dict[str, Any]) -> None:
        refusals.append(comes_back(FILES[what], data, tmp_path / "x.yaml"))

    check()
    assert refusals.count("") >= 10, refusals


@pytest.fixture
def only_checked(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder where commands do all that they do before any work, and refuse the rest."""

    def checked(check: Any) -> Any:
        def stop(value: Any, verbose: bool = False) -> None:
            check(value)
            raise InputError("nothing wrong")

        return stop

    monkeypatch.setattr(
        "advcore.pipelines.graph.running.driver.run_study",
        checked(lambda study: (study.run.check(), prepare(study))),
    )
    monkeypatch.setattr(
        "advcore.pipelines.graph.running.training_alone.train", checked(load_training)
    )
    monkeypatch.setattr(
        "advcore.pipelines.sweep.driver.sweep",
        checked(
            lambda sweep: (sweep.run.check(), check_trial_settings(plan_of(sweep), sweep.points()))
        ),
    )
    return place


YAML_LIKE = st.lists(
    st.sampled_from(
        (
            *"[]{}:,-?*&!|>%@'\"#\n \t~<",
            "a",
            ": ",
            "- ",
            "&a ",
            "*a",
            "<<: ",
            "!!",
            "!!python/name:os.system ",
            "!!timestamp ",
            "!!map ",
            "1",
        )
    ),
    max_size=14,
).map(lambda parts: "".join(parts).encode())
"""Texts out of what means something in YAML."""

COMMANDS = {"study": "run", "training": "train", "sweep": "sweep"}


def line(what: str, content: bytes, place: Path, capfd: pytest.CaptureFixture[str]) -> str:
    """The one line that the command gives for a file with this content."""
    (place / "file.yaml").write_bytes(content)
    status = cli.main([COMMANDS[what], "file.yaml"])
    out, err = capfd.readouterr()
    assert (status, out) == (2, "")
    assert re.fullmatch(r"advcore: [^\n]+\n", err), err
    return err


@pytest.mark.parametrize("what", FILES)
def test_a_file_with_one_thing_wrong_gets_one_line(
    what: str, only_checked: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert (
        line(what, yaml.safe_dump(SECTIONS[what]).encode(), only_checked, capfd)
        == "advcore: nothing wrong\n"
    )

    @settings(max_examples=MANY // 3)
    @given(st.data())
    def check(data: Any) -> None:
        right = data.draw(st.just(SECTIONS[what]) | files(what))
        content = yaml.safe_dump(spoilt(right, data.draw), allow_unicode=True)
        line(what, content.encode(errors="surrogatepass"), only_checked, capfd)

    check()


def test_whatever_the_bytes_one_line(only_checked: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass"))

    @settings(max_examples=MANY)
    @given(st.binary(max_size=60) | text | YAML_LIKE)
    def check(content: bytes) -> None:
        line("study", content, only_checked, capfd)

    check()
