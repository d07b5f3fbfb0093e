"""The worker, alone and in the inline runner; the queue of the pool."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from tiny_probes import PLAIN, Crooked, Look, Rude, tasks

import advcore.workers.actor
from advcore.curvature import temperature_for
from advcore.probes import Curvature, Transfer
from advcore.randomness import Randomness, drawn_places
from advcore.workers.actor import Worker
from advcore.workers.datasets import batch
from advcore.workers.datasets.batches import images_of
from advcore.workers.devices import resolve_device
from advcore.workers.errors import InputError
from advcore.workers.inline import Inline
from advcore.workers.models import ModelSpec, build, content_hash
from advcore.workers.shards import split
from advcore.workers.stores.store import open_store
from advcore.workers.tasks import DATA, Other, index_ranges


def test_a_shard_says_who_measured_it_and_how_long(dataset, store):
    task = tasks(dataset, Look())[0]
    worker = Worker(store, None, "cpu")
    result = worker.measure(task, dataset)
    metadata = open_store(store).metadata(task.key)
    assert (metadata["worker"], metadata["shard"], metadata["name"]) == (
        worker.name,
        "0:4",
        task.name,
    )
    assert 0 < float(metadata["seconds"]) <= result.seconds
    held = np.ones(2**25)  # 256 MB
    worker.measure(task, dataset)
    after = int(open_store(store).metadata(task.key)["peak_bytes"])
    assert after >= held.nbytes + 2**20
    assert after >= int(metadata["peak_bytes"]) > 2**26


def test_a_work_is_measured_and_stored(dataset, store):
    task = tasks(dataset, Look(), size=6)[1]
    result = Worker(store, None, "cpu").measure(task, dataset)
    assert (result.ok, result.key, result.name, result.rows, result.error) == (
        True,
        task.key,
        "perceptron/Look",
        6,
        "",
    )
    assert result.seconds > 0
    assert result.worker.endswith(":cpu")
    rows, samples = open_store(store).read(task.key), batch(dataset, task.shard)
    wanted = Look().measure(build(PLAIN), samples, Randomness(7, samples.indices))
    assert rows["sample"].tolist() == [18, 21, 24, 27, 30, 33]
    assert torch.equal(rows["logits"], wanted["logits"])
    assert torch.equal(rows["noise"], wanted["noise"])


def test_double_precision_reaches_model_and_images(dataset, store):
    task = replace(tasks(dataset, Look())[0], dtype="float64")
    assert Worker(store, None, "cpu").measure(task, dataset).ok
    assert open_store(store).read(task.key)["logits"].dtype == torch.float64


def test_the_model_is_built_once_and_only_one_is_held(dataset, store, monkeypatch):
    built = []
    monkeypatch.setattr(
        advcore.workers.actor,
        "build",
        lambda spec, dtype: built.append(spec.architecture) or build(spec, dtype),
    )
    worker = Worker(store, None, "cpu")
    other = ModelSpec("advcore.networks:perceptron")
    todo = (
        tasks(dataset, Look(), size=5)
        + tasks(dataset, Look(2.0), size=10)
        + tasks(dataset, Look(), size=10, model=other)
    )
    assert all(worker.measure(task, dataset).ok for task in [*todo, todo[0]])
    assert built == ["perceptron", "advcore.networks:perceptron", "perceptron"]


def test_a_comparison_is_handed_the_others_and_they_leave_with_the_next_shard(
    dataset, store, monkeypatch
):
    built = []
    monkeypatch.setattr(
        advcore.workers.actor,
        "build",
        lambda spec, dtype: built.append(spec.classes) or build(spec, dtype),
    )
    others = [
        Other(name, spec, content_hash(spec))
        for name, spec in (("own", PLAIN), ("nine", replace(PLAIN, classes=9)))
    ]
    task = replace(
        tasks(dataset, Transfer(scales=(1.0, 2.0)))[0],
        others=(*others, replace(others[1], name="again")),
    )
    worker = Worker(store, None, "cpu")
    assert worker.measure(task, dataset).ok
    rows = open_store(store).read(task.key)
    assert rows["to"] == [name for name in ("own", "nine", "again") for _ in range(8)]
    samples = batch(dataset, task.shard)
    randomness, models = (
        Randomness(7, samples.indices),
        {other.name: build(other.model) for other in task.others},
    )
    wanted = task.probe.measure(build(PLAIN), samples, randomness, models)
    assert torch.equal(rows["fooled"], wanted["fooled"])
    assert sorted(built) == [9, 10]
    assert worker.measure(
        replace(task, model=others[1].model, model_hash=others[1].model_hash), dataset
    ).ok
    assert len(built) == 2
    for probe, count in ((Look(), 1), (task.probe, 2)):
        worker.measure(
            replace(task, probe=probe, others=task.others if probe == task.probe else ()), dataset
        )
        assert len(worker._held) == count
    assert sorted(built) == [9, 9, 10]


def test_another_model_that_changed_under_the_study(dataset, store):
    changed = Other("nine", PLAIN, content_hash(replace(PLAIN, classes=9)))
    result = Worker(store, None, "cpu").measure(
        replace(tasks(dataset, Transfer())[0], others=(changed,)), dataset
    )
    assert "is not the same on this worker, or has changed since the study started" in result.error


def test_a_checkpoint_that_changed_under_the_study(dataset, store):
    task = replace(tasks(dataset, Look())[0], model_hash=content_hash(replace(PLAIN, classes=9)))
    result = Worker(store, None, "cpu").measure(task, dataset)
    assert not result.ok
    with pytest.raises(
        InputError,
        match=(
            r"perceptron .* is not the same on this worker, or has changed since the study "
            r"started"
        ),
    ):
        Worker(store, None, "cpu")._measure(task, dataset, 0.0)


def test_what_a_probe_must_give(dataset, store):
    result = Worker(store, None, "cpu").measure(tasks(dataset, Crooked())[0], dataset)
    assert (
        "a probe must give columns of one length, `sample` among them; got {'sample': 4, "
        "'logits': 1}"
    ) in result.error


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            "weights",
            (
                "a probe must leave the network as it is, and this one changed 1.weight: work "
                "on copy.deepcopy"
            ),
        ),
        ("data", "this one changed 1.weight"),
        ("mode", "this one changed 0 (mode, hooks), 1 (mode, hooks)"),
        ("hook", "this one changed the network (mode, hooks)"),
        ("raises", "ArithmeticError: halfway"),
        ("exit", "SystemExit: 0"),
        (
            "images",
            (
                "the column `sample` must hold the batch's indices in their order, 0, 3, 6, "
                "9; got 0, 0, 0, 0"
            ),
        ),
    ],
)
def test_a_rude_probe_fails_alone(dataset, store, how, said):
    worker, own = Worker(store, None, "cpu"), tasks(dataset, Rude(how=how))[0]
    result = worker.measure(own, dataset)
    assert not result.ok
    assert said in result.error
    after = tasks(dataset, Look())[0]
    assert worker.measure(after, dataset).ok
    rows, samples = open_store(store).read(after.key), batch(dataset, after.shard)
    wanted = Look().measure(build(PLAIN), samples, Randomness(7, samples.indices))
    assert torch.equal(rows["logits"], wanted["logits"])
    assert torch.equal(rows["sample"], wanted["sample"])


def test_devices_that_are_not_there(store, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Worker(store, None, "auto").name.endswith(":cpu")
    for device in ("cuda", "tpu"):
        with pytest.raises(
            InputError,
            match="device must be cpu, cuda or auto, and cuda needs a GPU that torch sees",
        ):
            Worker(store, None, device)
        with pytest.raises(InputError, match="device must be cpu, cuda or auto"):
            Inline(store, device=device).check()
    assert resolve_device("auto") == torch.device("cpu")


def test_results_do_not_depend_on_the_shard_size(dataset, store):
    @dataclass(frozen=True)
    class Here(Look):
        pass

    for size in (3, 20):
        assert all(
            result.ok
            for result in Inline(store).run(tasks(dataset, Here(), size=size), {DATA: dataset})
        )
    small, large = (
        open_store(store).read_all([w.key for w in tasks(dataset, Here(), size=size)])
        for size in (3, 20)
    )
    assert torch.equal(small["noise"], large["noise"])
    torch.testing.assert_close(small["logits"], large["logits"], rtol=1e-5, atol=1e-5)


def test_indices_in_words():
    assert index_ranges([3, 4, 5, 8, 10, 11]) == "3-5, 8, 10-11"
    assert index_ranges([]) == ""


def test_a_probe_is_calibrated_once_by_the_samples_of_the_whole_study(dataset, store):
    """The temperature is the same in shards of every size, on every worker."""
    probe = Curvature(spectrum="top", top=2, turns=1, draws=2)
    images = images_of(dataset, np.arange(len(dataset)))
    expected = temperature_for(build(PLAIN)(images).detach())
    seen = []
    for size in (4, 7, len(dataset)):
        worker = Worker(store, None, "cpu")
        for task in tasks(dataset, probe, size=size):
            assert worker.measure(task, dataset).ok
            seen += open_store(store).read(task.key)["temperature"].tolist()
    assert seen == [expected] * (3 * len(dataset))


def test_a_calibrated_probe_is_calibrated_anew_for_another_model(dataset, store):
    probe = Curvature(spectrum="top", top=2, turns=1, draws=2)
    worker = Worker(store, None, "cpu")
    found = []
    for width in (5, 6, 5):
        task = tasks(
            dataset, probe, size=5, model=replace(PLAIN, arguments={"side": 8, "width": width})
        )[0]
        assert worker.measure(task, dataset).ok
        found.append(open_store(store).read(task.key)["temperature"][0].item())
    assert found[0] == found[2] != found[1]


def test_batches_know_their_places_among_all_samples(dataset):
    places = [batch(dataset, shard).places for shard in split(len(dataset), 5)]
    assert torch.equal(torch.cat(places), drawn_places(torch.as_tensor(dataset.indices)))
