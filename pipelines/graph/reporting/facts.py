"""The head of a report: what is needed to judge its numbers and to reproduce them."""

import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from advcore.counts import counted
from advcore.pipelines.graph.layout import Layout
from advcore.pipelines.graph.plan import Prepared
from advcore.pipelines.graph.reporting.settings_text import derived_line
from advcore.pipelines.machine.environment import environment_tags
from advcore.pipelines.reports.chance import Accuracy, accuracy_of
from advcore.pipelines.reports.escaping import in_markdown
from advcore.pipelines.reports.tables import markdown
from advcore.pipelines.settings.names import file_stem
from advcore.workers.datasets import Dataset
from advcore.workers.datasets.sizes import size_in_words
from advcore.workers.models import ModelSpec
from advcore.workers.paths import expand_path
from advcore.workers.redaction import without_secrets

Words = Mapping[tuple[str, str], Sequence[Mapping[str, str]]]
"""Facts beside the rows of each finished shard, by model and probe."""

UNSEEN = "unseen_imports"
"""The name of the warning that a user's own code imports modules which no key holds."""


@dataclass(frozen=True)
class Facts:
    """The head of a report as Markdown, accuracies by network and data set, trainings' settings.

    An accuracy is None where no row has it; settings are those found beside the weights. `seconds`
    is what measuring a sample took, by model and probe, where all of its shards are there.
    """

    text: str
    accuracies: Mapping[tuple[str, str], Accuracy | None]
    trainings: Mapping[str, str]
    seconds: Mapping[tuple[str, str], float]


def gather(prepared: Prepared, words: Words) -> Facts:
    """Collect the facts of a study from what is stored beside its rows."""
    accuracies = _accuracies(prepared, words)
    trainings = {
        name: found for name, spec in prepared.networks.items() if (found := _training(spec))
    }
    about = "\n".join(
        f"- **{name}**: {value}" for name, value in _about(prepared, words).items() if value
    )
    networks = markdown(
        ["network", "architecture", "weights", "trained as", "sha256", "accuracy (95 %)"],
        [
            _network(prepared, name, _by_data(prepared, name, accuracies), name in trainings)
            for name in prepared.networks
        ],
        left=5,
    )
    unseen = "\n".join(
        f"- **warning**, {UNSEEN}: {in_markdown(sentence)}" for sentence in prepared.unseen.values()
    )
    text = "\n\n".join(filter(None, [about, networks, unseen]))
    return Facts(text, accuracies, trainings, _seconds(prepared, words))


def _accuracies(prepared: Prepared, words: Words) -> dict[tuple[str, str], Accuracy | None]:
    """Return the accuracy by network and data set, of whatever probe's rows."""
    entries: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    labels: dict[tuple[str, str], np.ndarray] = {}
    for names, own in prepared.measurements.items():
        what = own.planned.network, own.planned.data
        entries.setdefault(what, []).extend(words.get(names, ()))
        labels[what] = own.seen.labels
    return {what: accuracy_of(found, labels[what]) for what, found in entries.items()}


def _seconds(prepared: Prepared, words: Words) -> dict[tuple[str, str], float]:
    """Return the wall time of a sample, for each measurement whose shards all tell theirs."""
    told = {
        names: [float(entry["seconds"]) for entry in own if "seconds" in entry]
        for names, own in words.items()
    }
    return {
        names: sum(told[names]) / len(own.seen)
        for names, own in prepared.measurements.items()
        if len(told[names]) == len(own.tasks)
    }


def _by_data(
    prepared: Prepared, network: str, accuracies: Mapping[tuple[str, str], Accuracy | None]
) -> str:
    """Return a network's accuracy in words, for each data set where there are several."""
    found = {
        data: accuracy
        for (own, data), accuracy in accuracies.items()
        if own == network and accuracy is not None
    }
    if len(prepared.datasets) == 1:
        return next((str(accuracy) for accuracy in found.values()), "-")
    return "; ".join(f"{data}: {accuracy}" for data, accuracy in found.items()) or "-"


def training_file(model: str) -> str:
    """Return the name of the file that holds the settings of a network's training."""
    return f"trainings/{file_stem(model)}.yaml"


def command() -> str:
    """Return the command line of this process, secrets masked; empty where it is not advcore's."""
    program = Path(sys.argv[0]).name if sys.argv else ""
    if program not in ("advcore", "cli.py"):
        return ""
    return without_secrets(shlex.join(["advcore", *sys.argv[1:]]))


def _about(prepared: Prepared, words: Words) -> dict[str, str]:
    """Return the facts of the study, by name."""
    study = prepared.study
    entries = [entry for own in words.values() for entry in own]
    versions = environment_tags()
    commit, changed = (
        versions.pop("mlflow.source.git.commit", ""),
        versions.pop("advcore.uncommitted_changes", ""),
    )
    device = versions.pop("advcore.device")
    planned = [own.planned for own in prepared.measurements.values()]
    transforms = {own.label: own.transform for own in planned if own.transform is not None}
    asked = command()
    uncommitted = " (and changes that are not committed)" if changed == "true" else ""
    return {
        "command": f"{in_markdown(asked)}, in {in_markdown(os.getcwd())}" if asked else "",
        "study": "[study.yaml](study.yaml), with every default filled in: `advcore run study.yaml`",
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "rows": _rows(entries),
        "seed, precision, shard": (
            f"{study.run.seed}, {study.run.dtype}, {counted(study.run.shard_size, 'sample')}"
        ),
        **_data(prepared),
        "transforms": in_markdown(
            without_secrets(
                ", ".join(f"{name}: {transform!r}" for name, transform in transforms.items())
            )
        ),
        "device": in_markdown("; ".join(_places(entries)) or device),
        "versions": ", ".join(
            f"{name.removeprefix('version.')} {version}" for name, version in versions.items()
        ),
        "advcore's commit": commit + uncommitted,
    }


def _data(prepared: Prepared) -> dict[str, str]:
    """Return one fact for each data set."""
    several = len(prepared.datasets) > 1
    return {
        f"data {name}" if several else "data": _about_data(prepared.layout, name, dataset)
        for name, dataset in prepared.datasets.items()
    }


def _about_data(layout: Layout, name: str, data: Dataset) -> str:
    counts, spec = np.unique(data.labels, return_counts=True)[1], layout.data[name]
    selected = "all samples of the split" if spec.samples is None else f"drawn by seed {spec.seed}"
    samples = counted(len(data), "sample")
    if name in layout.derived:
        settings = derived_line([layout.derived[name]]).replace("`", " ")
        origin = f"{in_markdown(layout.origin(name))}: {samples} (`{settings}`)"
    else:
        origin = f"{in_markdown(spec.title)}, split {spec.split}: {samples}, {selected}"
    return (
        f"{origin}; {size_in_words(data.shape)}; "
        f"{data.classes} classes, the most frequent {counts.max() / len(data):.1%}; sha256 "
        f"{data.digest}"
    )


def _rows(entries: Sequence[Mapping[str, str]]) -> str:
    """Describe when the rows were measured, how long it took, and the most memory of a worker."""
    times = sorted(entry["finished"] for entry in entries if "finished" in entry)
    seconds = sum(float(entry.get("seconds", 0)) for entry in entries)
    when = f", {times[0]} to {times[-1]}" if times else ""
    peaks = [int(entry["peak_bytes"]) for entry in entries if "peak_bytes" in entry]
    memory = f", of at most {max(peaks) / 1e9:.1f} GB of memory" if peaks else ""
    return (
        f"{counted(len(entries), 'shard')}, {seconds:.0f} s of measuring on "
        f"{counted(len(_workers(entries)), 'worker')}{memory}{when}"
    )


def _workers(entries: Iterable[Mapping[str, str]]) -> list[str]:
    return sorted({entry["worker"] for entry in entries if "worker" in entry})


def _places(entries: Iterable[Mapping[str, str]]) -> list[str]:
    """Return the machines and devices that measured: `host:pid:device` without the process."""
    parts = [worker.split(":", 2) for worker in _workers(entries)]
    return sorted({f"{part[2]} on {part[0]}" for part in parts if len(part) == 3})


def _network(prepared: Prepared, name: str, accuracy: str, trained: bool) -> list[str]:
    spec = prepared.networks[name]
    arguments = f" {json.dumps(spec.arguments)}" if spec.arguments else ""
    return [
        name,
        in_markdown(without_secrets(f"{spec.architecture}{arguments}")),
        weights_of(spec),
        f"[{training_file(name)}]({training_file(name)})" if trained else "-",
        prepared.model_hashes[name],
        accuracy,
    ]


def weights_of(spec: ModelSpec) -> str:
    """Say in Markdown where the weights of a network come from."""
    if spec.checkpoint:
        return in_markdown(without_secrets(spec.checkpoint))
    return "trained ones of its library" if spec.pretrained else f"fresh, from seed {spec.seed}"


def _training(spec: ModelSpec) -> str:
    """Return the recipe's YAML that is stored beside weights trained here; empty without one."""
    if spec.checkpoint is None or "://" in spec.checkpoint:
        return ""
    try:
        about: dict[str, Any] = json.loads(
            expand_path(spec.checkpoint).with_suffix(".json").read_text(encoding="utf-8")
        )
        return yaml.safe_dump(about["settings"], sort_keys=False)
    except (OSError, ValueError, KeyError, TypeError):
        return ""
