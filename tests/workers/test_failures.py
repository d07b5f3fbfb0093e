"""When another actor is hired, and when no more are."""

import pytest
from deaths import died

from advcore.workers.errors import InputError, RunInterruptedError
from advcore.workers.pool.failures import (
    MOST_FAILED_STARTS,
    MOST_LOST_ACTORS,
    STRANDED_SECONDS,
    Backoff,
    FailureLog,
    reason_of,
)

KILLED = died(
    "The actor died unexpectedly before finishing this task.\n\tpid: 7\nThe actor is dead because "
    "its worker process has died. Worker exit type: SYSTEM_ERROR\nSome common causes include: (1) "
    "the process was killed. The actor never ran - it was not."
)
GONE = died("The actor died because its node has died.")
BROKEN = died(
    "Traceback:\n  File\nInputError: store /a is not there, s3://user:planted@host",
    init_failed=True,
)


def test_a_pause_doubles_up_to_its_bound_and_counts_what_fails_together_once():
    own, now, pauses = Backoff(), 0.0, []
    for _ in range(8):
        own.failed(now)
        own.failed(now)
        pauses.append(own.until - now)
        now = own.until
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert own.count == 8
    first = Backoff(free=1)
    for wanted in (0, 1, 2, 4):
        first.failed(now)
        assert first.until - now == wanted
        now = first.until


def test_why_an_actor_ended_is_one_line_without_secrets():
    assert reason_of(KILLED) == "its worker process has died. Worker exit type: SYSTEM_ERROR"
    assert reason_of(BROKEN) == "InputError: store /a is not there, s3://***@host"


def test_code_that_fails_in_all_that_start_is_no_run_at_once():
    own = FailureLog()
    own.start_failed(BROKEN, 0.0, any_ready=False, any_left=True)
    assert not own.may_start(1e9)  # another one may still be able to
    with pytest.raises(
        InputError, match=r"^no Ray worker can start: InputError: store /a is not there"
    ):
        own.start_failed(BROKEN, 0.1, any_ready=False, any_left=False)


def test_those_that_are_killed_as_they_start_are_tried_some_times_with_growing_pauses():
    own, now, times = FailureLog(), 0.0, []
    for _ in range(MOST_FAILED_STARTS - 1):
        own.start_failed(KILLED, now, any_ready=False, any_left=False)
        assert not own.may_start(now)
        times.append(now)
        now = own._starts.until
        assert own.may_start(now)
    assert times == [0, 1, 3]
    with pytest.raises(InputError, match=r"memory runs out.*its worker process has died"):
        own.start_failed(KILLED, now, any_ready=False, any_left=False)


def test_where_others_could_start_before_it_goes_on_for_long():
    own = FailureLog()
    own.ready()
    own.start_failed(KILLED, 0.0, any_ready=False, any_left=False)
    own.start_failed(KILLED, STRANDED_SECONDS, any_ready=True, any_left=True)
    own.start_failed(KILLED, STRANDED_SECONDS + 1, any_ready=False, any_left=False)
    with pytest.raises(
        RunInterruptedError,
        match=r"^no Ray worker could start for 601 s: its worker process has died",
    ):
        own.start_failed(KILLED, 2 * STRANDED_SECONDS + 2, any_ready=False, any_left=False)


def test_works_that_kill_without_any_result_are_hopeless_and_machines_that_go_are_not_counted():
    own, now = FailureLog(), 0.0
    for _ in range(3 * MOST_LOST_ACTORS):
        own.lost("a/b", GONE, now)
    assert not own.is_given_up("a/b")
    assert own.may_start(now)
    for _ in range(MOST_LOST_ACTORS):
        assert not own.is_given_up("a/b")
        own.lost("a/b", KILLED, now)
        now = own._losses["a/b"].until
    assert own.is_given_up("a/b")
    assert not own.is_given_up("a/c")
    own.measured("a/b")
    assert not own.is_given_up("a/b")
