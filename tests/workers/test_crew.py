"""A crew whose members cannot start, or whose Ray goes away."""

from types import SimpleNamespace

import pytest
from tiny_probes import Look, Slow, works

from workers.crew import Crew, Orders
from workers.head import head_answers
from workers.refusal import Unfinished
from workers.remote import hirer
from workers.store import open_store


def _keys(todo):
    return [work.key for work in todo]


class Broken:
    """An actor that cannot start."""

    def __init__(self):
        raise RuntimeError("this machine is no good")

    def ready(self):
        return ""


def test_where_others_could_start_one_that_cannot_is_replaced(ray_running, dataset, tmp_path, monkeypatch):
    """As on a cluster whose new machine does not see the store, or that lost sight of it for a moment."""
    import ray

    monkeypatch.setattr("workers.crew.PAUSE", 0.1)
    store, todo = str(tmp_path / "store"), works(dataset, Slow(seconds=0.2), size=2)
    open_store(store)
    good, bad = hirer(ray, store, 1, 0), ray.remote(Broken).remote
    hired = iter([bad, good, bad, bad, *20 * [good]])
    orders = Orders(hire=lambda: next(hired)(), wanted=lambda: 2, shard_seconds=None, asked="2 workers")
    crew = Crew(ray, orders, todo, ray.put(dataset), dataset.indices)
    outcomes = []
    for outcome in crew.outcomes():
        if not outcomes:
            ray.kill(next(member for member in crew.members.all if member.ready).actor)
        outcomes.append(outcome)
    crew.dismiss()
    assert [outcome.ok for outcome in outcomes] == [True] * len(todo)
    assert crew.counts["workers that could not start"] >= 2
    assert open_store(store).missing(_keys(todo)) == []


def test_one_that_ray_starts_anew_in_vain_gives_its_works_back(dataset, tmp_path):
    """Ray tells it of the works that were in flight, where the new start fails at once."""
    from ray import exceptions

    def fail(ref):
        error = exceptions.ActorDiedError()
        error._actor_init_failed = True
        raise error

    refs = iter(("one", "two"))
    handle = SimpleNamespace(measure=SimpleNamespace(remote=lambda *asked: next(refs)))
    ray = SimpleNamespace(exceptions=exceptions, get=fail, kill=lambda actor, no_restart: None)
    orders = Orders(hire=lambda: handle, wanted=lambda: 1, shard_seconds=None, asked="1 worker")
    crew = Crew(ray, orders, works(dataset, Look(), size=4), None, dataset.indices)
    crew._pause = 1.0
    crew.members.all[0].ready = True
    crew._feed()
    assert len(crew._backlog) == 3
    assert [crew._collect(ref) for ref in ("one", "two")] == [None, None]
    assert len(crew._backlog) == 5
    assert (crew.members.all, crew.members.refs) == ([], [])


def test_that_none_can_start_any_more_ends_the_run(ray_running, dataset, tmp_path, monkeypatch):
    import ray

    for name in ("PAUSE", "LONGEST", "STRANDED"):
        monkeypatch.setattr(f"workers.crew.{name}", 0.1)
    orders = Orders(hire=ray.remote(Broken).remote, wanted=lambda: 1, shard_seconds=None, asked="1 worker")
    crew = Crew(ray, orders, works(dataset, Look()), None, dataset.indices)
    crew._pause = 0.1  # as where one was ready before
    with pytest.raises(Unfinished, match=r"^no Ray worker can start any more, since \d+ s: .*this machine is no good"):
        list(crew.outcomes())


def test_the_head_is_asked_past_proxies(ray_running, monkeypatch):
    import ray

    for name in ("http_proxy", "grpc_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert head_answers(ray)


def test_a_head_that_is_gone_ends_the_run_in_words(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("workers.crew.HEAD", 0.2)
    handle = SimpleNamespace(ready=SimpleNamespace(remote=object))
    ray = SimpleNamespace(wait=lambda refs, **settings: ([], refs))
    orders = Orders(hire=lambda: handle, wanted=lambda: 1, shard_seconds=None, asked="1 worker", answers=lambda: False)
    with pytest.raises(Unfinished, match=r"^Ray's head does not answer any more, since \d+ s$"):
        list(Crew(ray, orders, works(dataset, Look()), None, dataset.indices).outcomes())
