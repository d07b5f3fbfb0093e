"""Where the states of a sweep's trainings lie: under any name, and after a move."""

import pytest
from s3_server import S3

from advcore.pipelines.sweep import ray_tune

pytestmark = pytest.mark.usefixtures("place")


@pytest.mark.parametrize("key", ["st a+b", "a%20b", "ü?x#y", "plain/deep"])
def test_a_key_of_any_signs_is_one_on_s3(s3: S3, key: str) -> None:
    system, root = ray_tune._located(f"s3://{s3.bucket}/{key}")
    with system.open_output_stream(f"{root}/state") as stream:
        stream.write(b"x")
    assert s3.objects() == {f"{key}/state": b"x"}


def test_a_state_is_found_where_its_storage_was_moved_to() -> None:
    state = "/old/results/storage/tiny/attempt-0a1b2c3d/trial_1/checkpoint_000002"
    assert (
        ray_tune._moved(state, "/new/storage/tiny")
        == "/new/storage/tiny/attempt-0a1b2c3d/trial_1/checkpoint_000002"
    )
    assert ray_tune._moved("/anything/else", "/new") == "/anything/else"


@pytest.mark.parametrize("kept", [True, False])
def test_a_ray_that_may_log_keys_is_told_of(
    kept: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    monkeypatch.setattr(ray_tune, "_QUIET", {})
    monkeypatch.setattr(ray_tune, "keep_from_trials", lambda prefix: kept)
    ray_tune._quiet()
    told = capsys.readouterr().err
    assert ("take a profile or a role in place of AWS_SECRET_ACCESS_KEY" in told) is not kept
    assert "planted" not in told
