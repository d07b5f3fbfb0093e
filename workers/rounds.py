"""A fit on its way: rounds of shares, added in the order of their shards, and the steps between.

It knows neither Ray nor where shares are computed: tasks go out, results come back, and the shares
themselves lie in the store. So a driver that is killed goes on in the middle of a round.
"""

import hashlib
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial

from torch import Tensor

from advcore.classifier import full_precision
from advcore.fits import Fit, FitState, Sums
from advcore.workers.datasets.batches import torch_dtype
from advcore.workers.errors import USERS_ERRORS, InputError, UnavailableError
from advcore.workers.fit_files import ROUND, SHARE, read_share, read_state, write_state
from advcore.workers.learnt import filled
from advcore.workers.redaction import shortened, without_secrets
from advcore.workers.shards import Shard
from advcore.workers.stores.patience import patiently
from advcore.workers.stores.store import Store
from advcore.workers.tasks import Share, TaskResult


def share_key(fit_key: str, made: int, shard: Shard) -> str:
    """Return the key of the share of a shard, in the round after so many that were made."""
    text = f"share {fit_key} {made} {shard.start}:{shard.stop}"
    return hashlib.sha256(text.encode()).hexdigest()


def add_sums(total: Mapping[str, Tensor], sums: Sums) -> dict[str, Tensor]:
    """Return `total` with the sums of one more shard, in float64; an empty total is 0.

    Raises ValueError where their names or shapes differ.
    """
    if not total:
        return {name: value.double() for name, value in sums.items()}
    shapes = [{name: tuple(value.shape) for name, value in own.items()} for own in (total, sums)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"the shares of a round must have the same names and shapes; got {shapes[0]} and "
            f"{shapes[1]}"
        )
    return {name: value + sums[name].double() for name, value in total.items()}


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
        self._tasks: list[Share] = []
        self._given: set[str] = set()
        self._come: set[str] = set()
        self._added = 0
        self._sums: dict[str, Tensor] = {}

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
            state = patiently(partial(read_state, self._store, self._template.state))
            if state is None:
                with full_precision():
                    state = self._fit.start(self._template.samples)
                self._put(state)
            return self._go_on(state)
        except USERS_ERRORS as error:
            return self._fail(self._failure(error))

    def took(self, result: TaskResult) -> list[Share]:
        """Take the result of a share, and return the shares that it releases.

        The last one of a round releases those of the next; a failed one ends the fit.
        """
        if self.failed or result.key not in {task.key for task in self._tasks} - self._come:
            return []
        if not result.ok:
            return self._fail(result)
        self._come.add(result.key)
        try:
            return self._add_come()
        except USERS_ERRORS as error:
            return self._fail(self._failure(error))

    def _go_on(self, state: FitState) -> list[Share]:
        """Begin the round after a state; the shares that are there already count as come."""
        self.state = state
        self._tasks, self._come, self._added, self._sums = [], set(), 0, {}
        if state.done:
            patiently(partial(self._store.remove, self._template.state, ROUND))
            self._remove_shares(range(state.rounds))  # late ones, of workers that were slower
            return []
        self._remove_shares(range(max(0, state.rounds - 1), state.rounds))
        self._tasks = [self._task(shard) for shard in self._named_shards(state)]
        missing = self._missing(task.key for task in self._tasks)
        self._come = {task.key for task in self._tasks} - missing
        self._given |= missing
        released = [task for task in self._tasks if task.key in missing]
        return released or self._add_come()

    def _add_come(self) -> list[Share]:
        """Add the shares whose turn has come; with the last one of the round take the step.

        One that was there from the start and is damaged is released.
        """
        while self._added < len(self._tasks) and self._tasks[self._added].key in self._come:
            task = self._tasks[self._added]
            sums = self._read(task)
            if sums is None:
                self._given.add(task.key)
                self._come.remove(task.key)
                return [task]
            self._sums = add_sums(self._sums, sums)
            self._added += 1
        return self._step() if self._added == len(self._tasks) else []

    def _read(self, task: Share) -> Sums | None:
        """Return a share; none where it cannot be read and this run has not handed it out yet."""
        try:
            sums = patiently(partial(read_share, self._store, task.key))
        except UnavailableError:
            raise
        except InputError:
            patiently(partial(self._store.remove, task.key, SHARE))
            sums = None
        if sums is None and task.key in self._given:
            raise InputError(
                f"the share of {task.title} is damaged, or no longer in the store: run again, only "
                "what is missing is computed"
            )
        return sums

    def _step(self) -> list[Share]:
        assert self.state is not None
        rounds = self.state.rounds + 1
        with full_precision():
            state = self._fit.step(self._template.samples, self.state, self._sums)
        if state.rounds != rounds:
            raise ValueError(
                f"a step of a fit must count its round; expected rounds={rounds}, got "
                f"{state.rounds}: write rounds=state.rounds + 1"
            )
        self._put(state)
        return self._go_on(state)

    def _named_shards(self, state: FitState) -> list[Shard]:
        places = list(self._fit.shards(state, len(self._shards)))
        if not places or places != sorted({*places} & {*range(len(self._shards))}):
            raise ValueError(
                f"a fit must name shards of 0 to {len(self._shards) - 1}, ascending, at least one; "
                f"got {places}"
            )
        return [self._shards[place] for place in places]

    def _task(self, shard: Shard) -> Share:
        assert self.state is not None
        made = self.state.rounds
        key = share_key(self._template.state, made, shard)
        return replace(self._template, key=key, round=made, shard=shard)

    def _failure(self, error: BaseException) -> TaskResult:
        """Return the result of a start, a step or an addition that failed: it has the fit's key."""
        text = without_secrets(shortened(traceback.format_exc()))
        away = isinstance(error, UnavailableError)
        key, name = self._template.state, self._template.name
        return TaskResult(key, name, False, 0, 0.0, text, "", away=away)

    def _fail(self, failed: TaskResult) -> list[Share]:
        """Note a failure, but where another run of the same fit is further: go on from there.

        That run has removed the state or the shares that were asked for.
        """
        try:
            there = patiently(partial(read_state, self._store, self._template.state))
            if self.state is not None and there is not None and there.rounds > self.state.rounds:
                return self._go_on(there)
        except USERS_ERRORS:
            pass  # the first failure says more
        self.failed = failed
        return []

    def _put(self, state: FitState) -> None:
        key = self._template.state
        patiently(partial(write_state, self._store, key, state, self._about))

    def _missing(self, keys: Iterable[str]) -> set[str]:
        return set(patiently(partial(self._store.missing, list(keys), SHARE)))

    def _remove_shares(self, rounds: Iterable[int]) -> None:
        """Remove the shares of rounds that are over."""
        fit = self._template.state
        keys = [share_key(fit, made, shard) for made in rounds for shard in self._shards]
        missing = self._missing(keys)
        for key in keys:
            if key not in missing:
                patiently(partial(self._store.remove, key, SHARE))
