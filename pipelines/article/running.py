"""The run of many studies: drivers in threads, on one pool of actors and one store."""

import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from advcore.pipelines.article.choosing import ChosenStudy
from advcore.pipelines.article.saved import Over, question_of, settings_of
from advcore.pipelines.graph.reporting.report import RESULTS, Report
from advcore.pipelines.graph.reporting.saved_answer import find_answer, save_answer
from advcore.pipelines.graph.running.driver import make_runner, run_study
from advcore.pipelines.graph.running.execution import Place
from advcore.pipelines.graph.settings import read_study
from advcore.pipelines.machine.lock import Locks
from advcore.pipelines.machine.terminal import interrupts_noted, speaking
from advcore.pipelines.printing import render_report
from advcore.pipelines.settings.runs import RunSettings
from advcore.workers.errors import FullDiskError, InputError, RunInterruptedError
from advcore.workers.paths import expand_path
from advcore.workers.pool.ray_runner import RayPool
from advcore.workers.pool.shared_pool import SharedPool
from advcore.workers.redaction import shortened, without_secrets
from advcore.workers.stores.store import open_store, store_of


@dataclass(frozen=True)
class Outcome:
    """A study that ended: complete, or with what its results lack.

    `found` says that it was finished before, and unchanged.
    """

    chosen: ChosenStudy
    lacks: str = ""
    found: bool = False


Tell = Callable[[Outcome], None]
"""The one that is told of each study as it ends."""


class Running:
    """Studies on their way, `at_once` of them at a time; `over` are settings of all their runs."""

    def __init__(
        self,
        studies: Sequence[ChosenStudy],
        over: Over,
        at_once: int,
        tell: Tell,
        verbose: bool = False,
    ) -> None:
        self.outcomes: list[Outcome] = []
        self._waiting = deque(studies)
        self._over = over
        self._at_once = at_once
        self._tell = tell
        self._verbose = verbose

    def run(self) -> list[Outcome]:
        """Run all, and return how each ended.

        A study that fails leaves the others alone. Raises InputError before any of them where the
        runner or the store cannot work, and what ends all of them: an interrupt, a full disk, a Ray
        that is gone. What is finished stays.
        """
        settings = RunSettings(**self._over)
        settings.check()
        location = store_of(settings.out, settings.store)
        open_store(location)
        runner = make_runner(settings, location, self._verbose)
        runner.check()
        with Locks() as locks:
            if isinstance(runner, RayPool):
                self._side_by_side(SharedPool(runner), location, locks)
            else:
                while self._waiting:
                    self._next(Place(runner, location, locks))
        return self.outcomes

    def _side_by_side(self, shared: SharedPool, location: str, locks: Locks) -> None:
        failures: list[BaseException] = []

        def drive() -> None:
            try:
                while True:
                    with shared.turn():
                        if failures or not self._waiting:
                            return
                        runner = shared.runner(self._waiting[0].folder)
                        self._next(Place(runner, location, locks))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=drive, daemon=True) for _ in range(self._at_once)]
        with interrupts_noted() as interrupted:

            def done() -> bool:
                if interrupted.is_set():
                    raise KeyboardInterrupt
                return not any(thread.is_alive() for thread in threads)

            try:
                for thread in threads:
                    thread.start()
                shared.serve(done)
            finally:
                self._waiting.clear()
                for thread in threads:
                    if thread.ident is not None:
                        thread.join()
        if failures:
            raise failures[0]

    def _next(self, place: Place) -> None:
        """Run the study whose turn it is, and tell how it ended."""
        chosen = self._waiting.popleft()
        with speaking(chosen.folder):
            outcome = self._outcome(chosen, place)
        self.outcomes.append(outcome)
        self._tell(outcome)

    def _outcome(self, chosen: ChosenStudy, place: Place) -> Outcome:
        file = expand_path(str(self._over["out"])).absolute() / chosen.folder / "failed.txt"
        try:
            question = question_of(chosen, self._over)
            if find_answer(question) is not None:
                return Outcome(chosen, found=True)
            before = question.fingerprint()
            study = read_study(chosen.study, chosen.settings, chosen.small)
            study = replace(study, run=settings_of(chosen, self._over))
            report = run_study(study, self._verbose, place)
        except (FullDiskError, RunInterruptedError):
            raise
        except InputError as error:
            return Outcome(chosen, f"refused: {without_secrets(shortened(str(error)))}")
        except Exception as error:
            # a fault of one study: the others go on
            return Outcome(chosen, f"failed: {type(error).__name__}{_told(file, error)}")
        with suppress(OSError):
            file.unlink(missing_ok=True)
        if report.kept is not None:
            again = replace(report, measured=0, found=report.measured + report.found)
            save_answer(question, before, report.kept, render_report(again))
        unwritten = "" if file.with_name(RESULTS).is_file() else "its results cannot be written"
        return Outcome(chosen, lacks(report) or unwritten)


def _told(file: Path, error: Exception) -> str:
    """Write the traceback that is handled into a file, and return the words that lead to it.

    Where it cannot be written, these are the error's own.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(without_secrets(shortened(traceback.format_exc())), encoding="utf-8")
    except OSError:
        return f": {without_secrets(shortened(str(error)))}"
    return f", see {file}"


def lacks(report: Report) -> str:
    """Return what the results of a study lack, in one line; empty for a complete one."""
    parts = [f"{report.failed} failed"] if report.failures else []
    parts += [problem.splitlines()[0] for problem in report.problems]
    parts += [f"not all is in MLflow: {report.unlogged}"] if report.unlogged else []
    return "; ".join(parts)
