"""The command that runs the studies of the whole article and puts their results on one page."""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from advcore.counts import duration_text
from advcore.pipelines.article.choosing import (
    Choice,
    budget_minutes,
    choose_studies,
    on_name,
    within,
)
from advcore.pipelines.article.contents import Contents, Section, read_contents
from advcore.pipelines.article.saved import finished_studies
from advcore.pipelines.machine.lock import exclusive_lock
from advcore.pipelines.reports.escaping import visible
from advcore.pipelines.run_commands import Flag
from advcore.pipelines.settings.flags import Address, Folder, Uri
from advcore.workers.errors import InputError
from advcore.workers.paths import expand_path

if TYPE_CHECKING:
    from advcore.pipelines.article.running import Outcome

NAME = "article"
"""Folder of the page, in the folder of results; that of another kind of run has more after it."""


@dataclass(frozen=True)
class ArticleCommand:
    """Measure the whole article: each of its figures and equations that a study is about.

    All studies share one pool of workers and one store: what two of them name is trained, learnt
    and measured once. Each ends with its own report; all are on one page, in the order of the
    article, which grows as they end. The same command goes on where an earlier one was stopped. On
    two cores the whole takes hours; `--small` is for a first look.

    Exit status: 0 done, 1 some studies are not complete, 2 refused before any work, 130
    interrupted.
    """

    only: str = ""
    """names of figures, equations, sections or studies, separated by commas: fig8,eq21."""
    on: Annotated[str, tyro.conf.arg(metavar="DATA")] = ""
    """data set in place of digits and clothes: fashion-mnist, imagefolder:PATH, ..."""
    budget: str = ""
    """time for it, such as 30m or 2h: studies that do not fit, by their estimate, are left out."""
    small: Flag = False
    """take the small versions: one seed, fewer samples."""
    dry_run: Flag = False
    """list the studies with their estimated times, and exit."""
    runner: Literal["inline", "ray"] = "ray"
    """place of the measuring: ray on actors that all studies share, or inline, one study after the
    other in this process."""
    workers: int | Literal["auto"] = 2
    """number of Ray actors; auto: as many as the cluster has room for, also as it grows."""
    gpus_per_worker: float = 0.0
    """share of a GPU for each actor."""
    address: Address = None
    """address of a running Ray cluster, host:port or auto."""
    at_once: int = 3
    """number of studies that are on their way at a time, so that no worker waits for the last task
    of one."""
    out: str = "results"
    """folder of everything that is written."""
    store: Folder = None
    """place of the rows: a folder or s3://BUCKET/PREFIX; default: a folder in `out`."""
    tracking_uri: Uri = None
    """MLflow server or store; default: MLFLOW_TRACKING_URI, else the one in `out`."""
    track: bool = True
    """log to MLflow."""
    verbose: Flag = False
    """show the libraries' messages and full tracebacks."""

    interrupted = "what is finished is in the store, and the same command goes on from there"

    def __call__(self) -> int:
        """Run the studies and write the page; return the exit status."""
        if self.at_once < 1:
            raise InputError(f"--at-once must be at least 1; got {self.at_once}")
        if not self.out.strip():
            raise InputError("--out must name a folder; got none")
        contents = read_contents()
        choice = self._choice(contents.sections)
        print(describe_choice(choice), end="", flush=True)
        if not choice.studies:
            raise InputError("no study is left to run: see the reasons above")
        if self.dry_run:
            return 0
        # bars of several studies would overwrite each other; tqdm reads this when it is imported
        os.environ["TQDM_DISABLE"] = "1"
        with exclusive_lock(self.folder, "page", self.name):
            return self._run(choice, self._index(contents))

    @property
    def folder(self) -> Path:
        """The folder of everything that is written."""
        return expand_path(self.out).absolute()

    @property
    def name(self) -> str:
        """The name of the page's folder."""
        return NAME + ("-small" if self.small else "") + on_name(self.on)

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of all runs, over those of each study's file."""
        names = ("out", "store", "tracking_uri", "track", "runner", "workers", "gpus_per_worker")
        return {**{name: getattr(self, name) for name in names}, "address": self.address}

    def _choice(self, sections: Sequence[Section]) -> Choice:
        """Return the studies to run, those that fit the budget if there is one."""
        minutes = budget_minutes(self.budget) if self.budget else None
        if self.on:
            check_data(self.on)
        choice = choose_studies(sections, self.only, self.on, self.small)
        if minutes is None:
            return choice
        return within(choice, minutes, finished_studies(choice.studies, self.settings))

    def _index(self, contents: Contents) -> "Callable[[Mapping[str, str]], Path]":
        """Return a function that writes the page of all results, those of earlier runs too.

        It is given what is not complete, by study.
        """
        from advcore.pipelines.article.index import index_of, write_index

        every = choose_studies(contents.sections, "", self.on, self.small)
        folders = {own.study: own.folder for own in every.studies}
        kinds = ["small versions"] if self.small else []
        kinds += [f"on {self.on}"] if self.on else []
        title = f"The article, measured: {', '.join(kinds)}" if kinds else "The article, measured"
        command = ["advcore article", *(["--small"] if self.small else [])]
        command += [f"--on {shlex.quote(self.on)}"] if self.on else []

        def write(lacking: Mapping[str, str]) -> Path:
            left = {**every.left_out, **lacking}
            index = index_of(contents, folders, self.folder, left, title, " ".join(command))
            return write_index(index, self.folder / self.name)

        return write

    def _run(self, choice: Choice, write: "Callable[[Mapping[str, str]], Path]") -> int:
        """Run the studies, tell of each as it ends, and return the exit status."""
        from advcore.pipelines.article.index import brief_of, counted_verdicts
        from advcore.pipelines.article.running import Running
        from advcore.pipelines.machine.terminal import lines_by_study

        lacking: dict[str, str] = {}
        page = write(lacking)
        ended = 0

        def tell(outcome: "Outcome") -> None:
            nonlocal ended
            ended += 1
            own = outcome.chosen
            if outcome.lacks:
                lacking[own.study] = outcome.lacks
            write(lacking)
            claims = counted_verdicts(brief_of(own.study, self.folder, own.folder).claims)
            said = ", ".join(f"{count} {word}" for word, count in claims.items()) or "no claims"
            how = outcome.lacks or f"{said}{' (found finished)' if outcome.found else ''}"
            print(f"[{ended}/{len(choice.studies)}] {own.folder}: {visible(how)}", flush=True)

        with lines_by_study():
            Running(choice.studies, self.settings, self.at_once, tell, self.verbose).run()
        for study, reason in lacking.items():
            print(f"not complete: {study}: {visible(reason)}", file=sys.stderr)
        print(f"page: {page}")
        return 1 if lacking else 0


def check_data(data: str) -> None:
    """Raise InputError where a data set cannot take the place of digits or clothes.

    It cannot be read, is none of pictures, or trains and tests on the same samples.
    """
    from advcore.workers.datasets import DataSpec
    from advcore.workers.datasets.load import load

    learnt, measured = (load(DataSpec(data, split)) for split in ("train", "test"))
    if len(learnt.shape) != 3:
        raise InputError(
            f"--on {data}: expected pictures (C, H, W), got samples {tuple(learnt.shape)}; give "
            "data of pictures, such as fashion-mnist"
        )
    if learnt.digest == measured.digest:
        raise InputError(
            f"--on {data}: it has no splits, so that networks would be tested on what they learnt; "
            "give data with a training and a test split, such as fashion-mnist"
        )


def describe_choice(choice: Choice) -> str:
    """Return the studies to run and those that are left out, with reasons, as lines of text."""
    lines = [
        f"{own.folder}: "
        + ("nobody knows how long it takes" if own.minutes is None else f"{own.minutes:g} min")
        for own in choice.studies
    ]
    total = duration_text(60 * choice.minutes)
    count = len(choice.studies)
    lines.append(f"{count} {'study' if count == 1 else 'studies'}, about {total} on two idle cores")
    lines += [f"left out: {name}: {reason}" for name, reason in choice.left_out.items()]
    return "\n".join(lines) + "\n"
