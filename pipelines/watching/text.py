"""A study that is watched, as lines for a terminal; texts of strangers are escaped."""

import time
from collections.abc import Sequence

from advcore.counts import counted
from advcore.pipelines.graph.reporting.report import PAGE
from advcore.pipelines.graph.running.estimates import duration_text
from advcore.pipelines.graph.running.progress import REPORTED, StudyProgress
from advcore.pipelines.reports.escaping import visible
from advcore.pipelines.reports.page import ClaimRow
from advcore.pipelines.watching.view import View

NAMED = 4
"""The most names of what is in work, of a kind, and families that were not seen, in the text."""
WAITING = 6
"""The most claims without a number in the text; the page has all."""


def headline(view: View) -> str:
    """Return what a study does in one line."""
    name, progress = view.name, view.progress
    if view.state == "begins":
        return f"{name}: begins, its settings are checked (by {visible(view.holder)})"
    if progress is None:
        how = "complete" if view.complete else "nothing was measured, or not all"
        return f"{name}: nothing runs; {how}"
    percent = f"{100 * progress.share:.0f} %"
    if view.state == "runs":
        return f"{name}: {visible(progress.phase)}, {percent}, {time_left(progress)}"
    if view.state == "stopped":
        return (
            f"{name}: nothing runs; it ended without finishing at {percent}, after "
            f"{_moment(progress.written)}; the same command goes on from there"
        )
    took = duration_text(progress.written - progress.begun)
    phase = progress.phase
    if phase == REPORTED[0] and not view.complete:
        phase = REPORTED[1]  # its results are gone, or say so
    said = f"{name}: {visible(phase)}, {percent}, {_moment(progress.written)}, after {took}"
    return said if phase == REPORTED[0] else f"{said}; the same command goes on from there"


def time_left(progress: StudyProgress) -> str:
    """Return the time left in words: unknown where some work left was not seen in this run."""
    if progress.phase == "reporting":
        return "the report is being written"
    if progress.left_seconds is None or progress.unseen:
        return "time left unknown"
    return f"about {duration_text(progress.left_seconds)} left"


def describe(view: View, claims: Sequence[ClaimRow], note: str = "") -> list[str]:
    """Return all that is known of a study, in lines; `note` is about the claims."""
    lines = [headline(view), *(f"  {line}" for line in details(view))]
    if claims or note:
        final = "claims" if view.claims else "claims so far"
        lines += [f"{final}{f', {visible(note)}' if note else ''}", *_claims(claims)]
    if view.claims:
        lines.append(f"page: {visible(str(view.folder / PAGE))}")
    return lines


def details(view: View) -> list[str]:
    """Return what a study's progress says beside its headline."""
    progress = view.progress
    if progress is None:
        return []
    who = f"process {progress.pid} on {visible(progress.host)}"
    lines = [
        f"begun {_moment(progress.begun)} by {who}; workers: {visible(progress.workers)}; "
        f"last sign of life {_moment(progress.written)}"
    ]
    unseen = _unseen(progress) if view.state == "runs" else []
    return [*lines, *_nodes(progress), *unseen, *_failures(progress)]


def short(view: View) -> str:
    """Return how far a study is in one line, for output that is no terminal."""
    progress = view.progress
    if progress is None or view.state != "runs":
        return headline(view)
    counts = [f"{kind} {own.done} of {own.total}" for kind, own in progress.nodes.items()]
    shards = f"shards {progress.shards[0]} of {progress.shards[1]}"
    failed = [f"{progress.failed} failed"] if progress.failed else []
    return ", ".join([headline(view), *map(visible, counts), shards, *failed])


def _claims(claims: Sequence[ClaimRow]) -> list[str]:
    """Return a line for each claim that has a number, then for the first of the others."""
    lines = [
        f"  {visible(own.verdict):<9}  {visible(own.says)}: {own.result['value']} "
        f"({own.result['low']} to {own.result['high']})"
        for own in claims
        if own.result is not None
    ]
    others = [own for own in claims if own.result is None]
    lines += [f"  {visible(own.says)}: {visible(own.failed)}" for own in others[:WAITING]]
    if len(others) > WAITING:
        lines.append(f"  and {counted(len(others) - WAITING, 'claim')} more without a number")
    return lines


def _nodes(progress: StudyProgress) -> list[str]:
    """Return a line for each kind of node, and one of shards and samples."""
    lines = []
    width = max((len(kind) for kind in progress.nodes), default=0)
    for kind, own in progress.nodes.items():
        to_do = own.total - own.done - own.in_work - own.failed
        counts = [f"{own.done} of {own.total} done"]
        counts += [f"{own.in_work} in work"] if own.in_work else []
        counts += [f"{own.failed} failed"] if own.failed else []
        counts += [f"{to_do} to do"] if to_do > 0 else []
        more = own.in_work - NAMED
        names = [*own.names[:NAMED], *([f"and {more} more"] if more > 0 else [])]
        named = f": {'; '.join(map(visible, names))}" if names else ""
        lines.append(f"{visible(kind):<{width}}  {', '.join(counts)}{named}")
    shards, samples = progress.shards, progress.samples
    lines.append(
        f"{'shards':<{width}}  {shards[0]} of {shards[1]}, samples {samples[0]} of {samples[1]}"
    )
    return lines


def _unseen(progress: StudyProgress) -> list[str]:
    """Return why the time left is unknown."""
    if not progress.unseen:
        return []
    more = ", ..." if len(progress.unseen) > NAMED else ""
    names = visible(", ".join(progress.unseen[:NAMED]) + more)
    kinds = f"{counted(len(progress.unseen), 'kind')} of work"
    known = progress.left_seconds
    rest = "" if known is None else f"; the rest takes about {duration_text(known)}"
    return [f"not seen in this run yet, so that its time is unknown: {kinds} ({names}){rest}"]


def _failures(progress: StudyProgress) -> list[str]:
    lines = [f"failed: {visible(line)}" for line in progress.failures]
    more = progress.failed - len(progress.failures)
    return [*lines, *([f"and {counted(more, 'failure')} more"] if more > 0 else [])]


def _moment(seconds: float) -> str:
    """Return a time in words, which stays true on a page that nobody writes again."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
