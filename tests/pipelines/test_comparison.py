"""Two results beside each other: what moved, what turned, what only one has."""

import math
from pathlib import Path

import pytest
import torch
from mlflow_server import served
from scipy import stats
from tiny_pages import HOSTILE, claim, results, written

from advcore.pipelines.cli import main
from advcore.pipelines.comparison.moves import Comparison, compare, interval_of_difference
from advcore.pipelines.comparison.reading import read_results
from advcore.pipelines.comparison.text import describe, write_page
from advcore.workers.errors import InputError


def test_equal_halves_add_as_squares() -> None:
    low, high = interval_of_difference((1.0, 0.7, 1.3), (2.0, 1.6, 2.4))
    assert (low, high) == (pytest.approx(0.5), pytest.approx(1.5))


def test_each_side_has_its_own_half() -> None:
    low, high = interval_of_difference((1.0, 0.7, 1.0), (2.0, 1.6, 2.1))
    assert low == pytest.approx(1.0 - 0.4)
    assert high == pytest.approx(1.0 + math.hypot(0.1, 0.3))


@pytest.mark.parametrize("lost", [math.nan, math.inf, -math.inf])
def test_an_end_that_is_not_finite_leaves_the_difference_open(lost: float) -> None:
    assert all(map(math.isnan, interval_of_difference((1.0, lost, 2.0), (1.0, 0.0, 2.0))))


def test_intervals_of_differences_of_means_cover() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(2000, 30, generator=generator)
    second = 0.5 + 2 * torch.randn(2000, 30, generator=generator)
    reach = stats.t.ppf(0.975, 29)

    def ends(samples: torch.Tensor) -> list[tuple[float, float, float]]:
        mean, half = samples.mean(1), reach * samples.std(1) / 30**0.5
        return list(zip(mean.tolist(), (mean - half).tolist(), (mean + half).tolist(), strict=True))

    held = [
        low <= 0.5 <= high for low, high in map(interval_of_difference, ends(first), ends(second))
    ]
    assert 0.935 < sum(held) / len(held) < 0.975


def compared() -> Comparison:
    before = results(
        claims={
            "up": claim(value=1.0, low=0.9, high=1.1, verdict="no"),
            "within": claim(value=1.0, low=0.0, high=2.0),
            "lost": {"says": "lost", "expected": "-", "not_measured": "no rows"},
            "old": claim(),
        }
    )
    after = results(
        claims={
            "up": claim(value=2.0, low=1.9, high=2.1, verdict="yes"),
            "within": claim(value=1.5, low=0.5, high=2.5),
            "lost": claim(),
        },
        scalars={"margins": {"plain": {"median": 3.0, "far": "inf"}, "new": {"median": 2.5}}},
    )
    return compare(("a", "b"), (before, after), ("name: x\nseed: 1\n", "name: x\nseed: 2\n"))


def test_what_moved_and_what_turned() -> None:
    own = {move.name: move for move in compared().claims}
    assert {name: move.moved for name, move in own.items()} == {
        "up": "up",
        "within": "within",
        "lost": "unknown",
    }
    assert own["up"].verdicts == ("no", "yes")
    assert own["up"].turned
    assert not own["within"].turned


def test_numbers_that_differ_and_what_only_one_has() -> None:
    found = compared()
    assert [(move.name, move.difference) for move in found.numbers] == [
        ("margins, plain: median", 1.5)
    ]
    assert found.equal == 1  # infinite in both
    assert found.only == (["claim old", "margins, robust: median"], ["margins, new: median"])
    assert [line for line in found.settings if line[0] in "+-"][2:] == ["-seed: 1", "+seed: 2"]


def test_the_text_tells_it_all() -> None:
    text = describe(compared())
    for part in (
        "# b less a",
        "1 of 3 claims moved beyond their intervals; 1 changed their verdict; 1 measured in one",
        "no -> yes",
        "1 numbers are equal",
        "only in a: claim old, margins, robust: median",
        "-seed: 1",
    ):
        assert part in text


def test_the_page_escapes_names(tmp_path: Path) -> None:
    own = results(
        claims={HOSTILE: claim(says=HOSTILE)}, scalars={HOSTILE: {HOSTILE: {HOSTILE: 1.0}}}
    )
    write_page(compare((HOSTILE, "b"), (own, results()), (HOSTILE, "")), tmp_path / "c" / "d.html")
    page = (tmp_path / "c" / "d.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_places_without_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no results: expected the folder of a study"):
        read_results(str(tmp_path), None, tmp_path)
    folder = written(tmp_path / "r")
    (folder / "study.yaml").rename(folder / "away.yaml")
    with pytest.raises(InputError, match=r"r holds results\.json alone: expected .* study\.yaml"):
        read_results(str(folder), None, tmp_path)
    (folder / "away.yaml").rename(folder / "study.yaml")
    (folder / "results.json").write_text("{")
    with pytest.raises(InputError, match=r"results\.json cannot be read"):
        read_results(str(folder), None, tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[1]", r"results\.json: expected names with values, got list"),
        ('{"claims": null}', "claims: expected names with values, got NoneType"),
        ('{"claims": {"a": {"value": 1}}}', "claims, a: expected a text as says, got None"),
        ('{"claims": {"a": {"says": "b", "low": "x"}}}', "claims, a, low: expected a number"),
        ('{"claims": {"a": {"says": "b", "verdict": ["no"]}}}', "a text as verdict, got .'no'."),
        ('{"schema": 2}', r"results\.json: expected schema 1, got 2: another version of advcore"),
        (f'{{"scalars": {{"p": {{"m": {{"n": 1{"0" * 400}}}}}}}}}', "expected a number, got 1000"),
        ('{"scalars": {"p": {"m": {"n": null}}}}', "scalars, p, m, n: expected a number, got None"),
    ],
)
def test_results_that_are_none_are_refused_with_their_place(
    tmp_path: Path, content: str, told: str
) -> None:
    folder = written(tmp_path / "r")
    (folder / "results.json").write_text(content)
    with pytest.raises(InputError, match=told):
        read_results(str(folder), None, tmp_path)


def test_two_studies_are_told_to_be_two() -> None:
    two = compare(("a", "b"), (results(), results(study="other")), ("", ""))
    assert "warning: these are two studies, tiny and other" in describe(two)


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = written(tmp_path / "a"), written(tmp_path / "b", claims={})
    page = tmp_path / "page.html"
    assert main(["compare", str(first), str(second), "--page", str(page)]) == 0
    assert "only in" in capsys.readouterr().out
    assert page.is_file()


@pytest.mark.parametrize("command", [["compare", "a", "b"], ["watch", "a"]])
def test_a_page_that_is_a_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main([*command, "--page", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert f"--page {tmp_path}: expected an HTML file, got a folder; name a file in it" in told


@pytest.mark.slow
def test_runs_of_a_server_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    with served(tmp_path) as uri:
        client, runs = MlflowClient(uri), []
        for name, verdict in (("a", "no"), ("b", "yes")):
            folder = written(tmp_path / name, claims={"first": claim(verdict=verdict)})
            run = client.create_run(client.create_experiment(name)).info.run_id
            for file in ("results.json", "study.yaml"):
                client.log_artifact(run, str(folder / file))
            runs.append(f"runs:/{run}")
        assert main(["compare", *runs, "--tracking-uri", uri]) == 0
        assert "no -> yes" in capsys.readouterr().out
        lost = ["compare", runs[0], f"runs:/{'0' * 32}", "--tracking-uri", uri]
        assert main(lost) == 2
    assert "cannot be fetched from MLflow" in capsys.readouterr().err
