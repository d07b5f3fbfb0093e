"""The demo: train two networks, run the demo study on them, set the article's claims beside what was measured."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from advcore.probes import Summary
from pipelines import tables
from pipelines.run import Report, run
from pipelines.study import Study, read
from pipelines.train import Training, train

MODELS = ("plain", "robust")
"""Names of the recipes, and of the models in the study."""

TRAINED_EPS = 1.5
"""The l2 radius of the recipe `robust`."""


def demo(out: str, runner: Literal["inline", "ray"]) -> tuple[Report, str]:
    """The report of the study, and the table of claims."""
    study: Study = read(Study, "demo", "studies")
    models = {}
    for name in MODELS:
        training: Training = read(Training, name, "recipes")
        result = train(replace(training, run=replace(training.run, out=out)))
        models[name] = replace(study.models[name], checkpoint=str(result.checkpoint))
        print(f"{name}: {'already trained' if result.already else 'trained'}, {result.checkpoint}", file=sys.stderr)
    report = run(replace(study, models=models, run=replace(study.run, runner=runner, out=out)))
    return report, claims(report.summaries)


def claims(summaries: Mapping[str, Mapping[str, Summary]]) -> str:
    """The article's claims beside the measured numbers, as they came out; nothing is asserted."""
    needed = {probe: summaries.get(probe, {}) for probe in ("robustness", "margins", "curvature")}
    if any(set(by_model) != set(MODELS) for by_model in needed.values()):
        return "no table of claims: some probe has no rows, see the failures above"
    rows = [
        *(_margin_rises(name, needed["margins"][name]) for name in MODELS),
        *_margins_grow(needed["margins"]),
        *(_top_eigenvalue(which, needed["curvature"]) for which in ("mean", "median")),
        _robustness_rises(needed["robustness"]),
    ]
    return "## The article's claims, and what was measured\n\n" + tables.markdown(["claim", "measured"], rows)


def _margin_rises(name: str, summary: Summary) -> list[str]:
    margin = summary.curves["median_margin"].y
    measured = f"{tables.number(margin[0])} -> {tables.number(margin[-1])} ({margin[-1] / margin[0]:.1f} times)"
    return [f"margin rises from the lowest to the highest block ({name})", measured]


def _margins_grow(by_model: Mapping[str, Summary]) -> list[list[str]]:
    plain, robust = (by_model[name].curves["median_margin"].y for name in MODELS)
    growth = [b / a for a, b in zip(plain, robust, strict=True)]
    return [
        [
            "adversarial training raises the margin in every block",
            f"{min(growth):.2f} to {max(growth):.2f} times, in {sum(g > 1 for g in growth)} of {len(growth)}",
        ],
        ["and most at high frequencies", f"lowest block {growth[0]:.2f}, highest {growth[-1]:.2f} times"],
    ]


def _top_eigenvalue(which: str, by_model: Mapping[str, Summary]) -> list[str]:
    plain, robust = (by_model[name].scalars[f"{which}_top_eigenvalue"] for name in MODELS)
    return [f"adversarial training lowers the top eigenvalue ({which})", f"{tables.number(plain)} -> {tables.number(robust)}"]


def _robustness_rises(by_model: Mapping[str, Summary]) -> list[str]:
    curves = [by_model[name].curves["robust_accuracy/worst"] for name in MODELS]
    plain, robust = (curve.y[list(curve.x).index(TRAINED_EPS)] for curve in curves)
    return [f"adversarial training raises robust accuracy (l2, eps {TRAINED_EPS})", f"{plain:.1%} -> {robust:.1%}"]
