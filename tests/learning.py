"""Ways to run fits in tests: shards of samples, resumption after every round, sameness of bits."""

import torch

from advcore.fits import FitSamples, FitState, fit_here, next_round
from advcore.probes import Batch
from advcore.randomness import drawn_places


def shards(inputs, sizes, labels=None):
    """One batch a shard, of these sizes, of inputs `(N, *shape)`; labels are 0 if not given."""
    labels = torch.zeros(len(inputs), dtype=torch.int64) if labels is None else labels
    starts = [sum(sizes[:k]) for k in range(len(sizes))]
    assert sum(sizes) == len(inputs)
    places = drawn_places(torch.arange(len(inputs)))
    return [
        Batch(
            inputs[start : start + size],
            labels[start : start + size],
            torch.arange(start, start + size),
            start,
            places[start : start + size],
        )
        for start, size in zip(starts, sizes, strict=True)
    ]


def samples_of(batches, classes, seed=0):
    count = sum(len(batch.inputs) for batch in batches)
    return FitSamples(tuple(batches[0].inputs.shape[1:]), classes, count, seed)


def learn(fit, classifier, batches, classes, seed=0):
    return fit_here(fit, classifier, batches, samples_of(batches, classes, seed))


def assert_same_bits(one, other):
    assert one.tensors.keys() == other.tensors.keys()
    for name, tensor in one.tensors.items():
        assert tensor.dtype == other.tensors[name].dtype
        assert torch.equal(tensor.nan_to_num(), other.tensors[name].nan_to_num()), name
    assert (one.rounds, one.done, one.history) == (other.rounds, other.done, other.history)


def assert_resumes(fit, classifier, batches, classes):
    """From a copy of the state after any round, as a file would hold it, it comes to the same
    bits.
    """
    samples = samples_of(batches, classes)
    whole = fit_here(fit, classifier, batches, samples)
    state = fit.start(samples)
    while not state.done:
        assert all(tensor.is_contiguous() for tensor in state.tensors.values())
        copied = {name: torch.clone(tensor) for name, tensor in state.tensors.items()}
        kept = FitState(copied, state.rounds, state.done, dict(state.history))
        assert_same_bits(fit_here(fit, classifier, batches, samples, kept), whole)
        state = next_round(fit, classifier, batches, samples, state)
    assert_same_bits(state, whole)
    return whole
