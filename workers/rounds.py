"""A fit on its way: rounds of shares, added in the order of their shards, and the steps between.

It knows neither Ray nor where shares are computed: tasks go out, results come back, and the shares
themselves lie in the store. So a driver that is killed goes on in the middle of a round.
"""

import hashlib
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial

from advcore.classifier import full_precision
from advcore.fits import Fit, FitState, Sums, check_declared
from advcore.fits.rounds import Adder
from advcore.workers.datasets.batches import torch_dtype
from advcore.workers.errors import USERS_ERRORS, InputError, UnavailableError
from advcore.workers.fit_files import ROUND, SHARE, read_share, read_state, write_state
from advcore.workers.learnt import filled
from advcore.workers.redaction import shortened, without_secrets
from advcore.workers.shards import Shard
from advcore.workers.stores.retries import with_store_retries
from advcore.workers.stores.store import Store
from advcore.workers.tasks import Share, TaskResult


def share_key(fit_key: str, made: int, shard: Shard) -> str:
    """Return the key of the share of a shard, in the round after so many that were made."""
    text = f"share {fit_key} {made} {shard.start}:{shard.stop}"
    return hashlib.sha256(text.encode()).hexdigest()


class _LostShareError(InputError):
    """A share that is no longer in the store, or damaged there."""

    def __init__(self, task: Share) -> None:
        super().__init__(
            f"the share of {task.title} is damaged, or no longer in the store: run again, only "
            "what is missing is computed"
        )
        self.task = task


class Rounds:
    """The rounds of one fit, from the state in the store or from its start, until it is done.

    `template` is a share of the fit, of which key, round and shard are filled in; its `state` is
    the key of the fit. `about` are words for the metadata of the files of states.

    `state` is the one after the last round, `finished` the last of all, `failed` the result of a
    share, or of a start or a step, that failed: then nothing more is released. Each round's state
    is in the store before its shares are removed, and before those of the next one are released.
    """

    def __init__(
        self,
        template: Share,
        shards: Sequence[Shard],
        store: Store,
        about: Mapping[str, str] | None = None,
    ) -> None:
        self.failed: TaskResult | None = None
        self.state: FitState | None = None
        self._template = template
        self._shards = tuple(shards)
        self._store = store
        self._about = dict(about or {})
        self._adder: Adder | None = None
        self._places: dict[str, int] = {}
        self._waiting: dict[str, Share] = {}
        self._given: set[str] = set()

    @property
    def finished(self) -> FitState | None:
        """Return the last state of all once the fit is done."""
        return self.state if self.state is not None and self.state.done else None

    @cached_property
    def _fit(self) -> Fit:
        fit: Fit = filled(self._template.fit, self._store, torch_dtype(self._template.dtype))
        return fit

    def released(self) -> list[Share]:
        """Return the shares of the next round that the store lacks; call it once, at the start.

        It is empty where the fit is finished, or failed.
        """
        try:
            state = with_store_retries(partial(read_state, self._store, self._template.state))
            if state is None:
                self._fit.validate(self._template.samples)
                with full_precision():
                    state = self._fit.start(self._template.samples)
                self._write(state)
            return self._go_on(state)
        except USERS_ERRORS as error:
            return self._fail(self._failure(error))

    def took(self, result: TaskResult) -> list[Share]:
        """Take the result of a share, and return the shares that it releases.

        The last one of a round releases those of the next; a failed one ends the fit.
        """
        task = self._waiting.get(result.key)
        if self.failed or task is None:
            return []
        if not result.ok:
            return self._fail(result)
        try:
            del self._waiting[task.key]
            lost = self._take([task])
            return self._again(lost[0]) if lost else self._step_if_over()
        except USERS_ERRORS as error:
            return self._fail(self._failure(error))

    def _go_on(self, state: FitState) -> list[Share]:
        """Begin the round after a state; the shares that are there already are taken."""
        self.state, self._waiting = state, {}
        if state.done:
            with_store_retries(partial(self._store.remove, self._template.state, ROUND))
            self._remove_shares(range(state.rounds))  # late ones, of workers that were slower
            return []
        self._remove_shares(range(max(0, state.rounds - 1), state.rounds))
        places = self._fit.shards(state, len(self._shards))
        self._check_places(places)
        tasks = [self._task(state.rounds, self._shards[place]) for place in places]
        self._adder = Adder(places)
        self._places = {task.key: place for task, place in zip(tasks, places, strict=True)}
        missing = self._missing(self._places)
        lost = self._take(task for task in tasks if task.key not in missing)
        released = [task for task in tasks if task.key in missing or task in lost]
        self._hand_out(released)
        return released or self._step_if_over()

    def _take(self, tasks: Iterable[Share]) -> list[Share]:
        """Add shares that are in the store when their turn comes; return those that are lost."""
        assert self._adder is not None
        lost = []
        for task in tasks:
            try:
                self._adder.put(self._places[task.key], partial(self._read, task))
            except _LostShareError as error:
                lost.append(error.task)
        return lost

    def _read(self, task: Share) -> Sums:
        try:
            sums = with_store_retries(partial(read_share, self._store, task.key))
        except UnavailableError:
            raise
        except InputError:
            with_store_retries(partial(self._store.remove, task.key, SHARE))
            sums = None
        if sums is None:
            raise _LostShareError(task)
        return sums

    def _again(self, task: Share) -> list[Share]:
        """Hand out a share that was there and is lost, unless another run of the fit is further."""
        there = self._further()
        if there is not None:
            return self._go_on(there)
        if task.key in self._given:  # a runner takes no key twice
            raise _LostShareError(task)
        self._hand_out([task])
        return [task]

    def _hand_out(self, tasks: Sequence[Share]) -> None:
        self._waiting |= {task.key: task for task in tasks}
        self._given |= {task.key for task in tasks}

    def _step_if_over(self) -> list[Share]:
        assert self._adder is not None
        return [] if self._adder.missing else self._step(self._adder.sums())

    def _step(self, sums: Sums) -> list[Share]:
        assert self.state is not None
        rounds = self.state.rounds + 1
        with full_precision():
            state = self._fit.after(self._template.samples, self.state, sums)
        if state.rounds != rounds:
            raise ValueError(
                f"a step of a fit must count its round; expected rounds={rounds}, got "
                f"{state.rounds}: write rounds=state.rounds + 1"
            )
        check_declared(self._fit, self._template.samples, state)
        self._write(state)
        return self._go_on(state)

    def _check_places(self, places: Sequence[int]) -> None:
        known = range(len(self._shards))
        if not places or list(places) != sorted({*places} & {*known}):
            raise ValueError(
                f"a fit must name shards of 0 to {known[-1]}, ascending, at least one; got "
                f"{list(places)}"
            )

    def _task(self, made: int, shard: Shard) -> Share:
        key = share_key(self._template.state, made, shard)
        return replace(self._template, key=key, round=made, shard=shard)

    def _failure(self, error: BaseException) -> TaskResult:
        """Return the result of a start, a step or an addition that failed: it has the fit's key."""
        text = without_secrets(shortened(traceback.format_exc()))
        away = isinstance(error, UnavailableError)
        key, name = self._template.state, self._template.name
        return TaskResult(key, name, False, 0, 0.0, text, "", away=away)

    def _fail(self, failed: TaskResult) -> list[Share]:
        """Note a failure, but where another run of the same fit is further: go on from there."""
        try:
            there = self._further()
            if there is not None:
                return self._go_on(there)
        except USERS_ERRORS:
            pass  # the first failure says more
        self.failed = failed
        return []

    def _further(self) -> FitState | None:
        """Return the state in the store if it is further than this run.

        Another run of the same fit, which makes the same bits, has put it there, and removed the
        state or the shares that this one asked for.
        """
        there = with_store_retries(partial(read_state, self._store, self._template.state))
        mine = self.state
        return there if there and mine and there.rounds > mine.rounds else None

    def _write(self, state: FitState) -> None:
        key = self._template.state
        with_store_retries(partial(write_state, self._store, key, state, self._about))

    def _missing(self, keys: Iterable[str]) -> set[str]:
        return set(with_store_retries(partial(self._store.missing, list(keys), SHARE)))

    def _remove_shares(self, rounds: Iterable[int]) -> None:
        """Remove the shares of rounds that are over."""
        fit = self._template.state
        keys = [share_key(fit, made, shard) for made in rounds for shard in self._shards]
        missing = self._missing(keys)
        for key in keys:
            if key not in missing:
                with_store_retries(partial(self._store.remove, key, SHARE))
