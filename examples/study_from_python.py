"""A study from Python: tables as pandas, claims with intervals, a figure that may be restyled.

Run: python examples/study_from_python.py
"""

from pathlib import Path

import yaml

from advcore.pipelines import Result, Study, run

Path("study.yaml").write_text(
    yaml.safe_dump(
        {
            "name": "from-python",
            "models": {"lenet": {"architecture": "lenet"}},
            "data": {"name": "mnist5k", "split": "test", "samples": 32},
            "probes": {
                "margins": {"kind": "margins", "family": {"kind": "dct", "size": 8, "stride": 4}}
            },
            "claims": {
                "rises": {
                    "kind": "trend",
                    "says": "the margin rises from the lowest to the highest block",
                    "of": {
                        "probe": "margins",
                        "model": "lenet",
                        "column": "distance",
                        "over": "subspace",
                    },
                    "at_least": 0.9,
                }
            },
            "run": {"track": False, "figures": "png,svg"},
        }
    )
)
study = Study.read("study.yaml", ["data.seed=1"])  # a setting put over the file
result = run(study)  # a second call measures nothing

table = result.table("margins")
print(table.groupby(["model", "subspace"])["distance"].median())
for name, claim in result.claims.items():
    interval = f"{claim['low']:.3g} to {claim['high']:.3g}"
    print(f"{name}: {claim['value']:.3g} ({interval})")
    print(f"expected {claim['expected']}: {claim['verdict']}")

figure = result.figure("margins")
figure.axes[0].set_title("Fresh weights")
figure.savefig("restyled.png")
assert Result(result.folder).scalars == result.scalars  # a finished study, from its folder
