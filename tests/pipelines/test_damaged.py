"""Rows that cannot be read, or are another shard's, under the name of a finished shard."""

from pathlib import Path
from typing import Any

import pytest

from advcore.pipelines.cli import main
from advcore.workers.stores.rows import read_table


def test_damaged_rows_are_set_aside_and_measured_anew_in_the_same_run(
    tiny: dict[str, Any], place: Path, study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(study_file)]) == 0
    told = capsys.readouterr().out
    rows = sorted((place / "out/store").rglob("*.parquet"))
    whole = {path: path.read_bytes() for path in rows[:5]}
    middle = bytearray(whole[rows[3]])
    middle[len(middle) // 3 : len(middle) // 2] = bytes(len(middle) // 2 - len(middle) // 3)
    for path, content in zip(
        rows,
        (b"", whole[rows[1]][:60], b"garbage", bytes(middle), rows[5].read_bytes()),
        strict=False,
    ):
        path.write_bytes(content)
    assert main(["run", str(study_file)]) == 0
    out, err = capsys.readouterr()
    assert err.count("damaged files of rows were moved aside") == 1
    assert "Traceback" not in err
    assert "5 shards measured, 19 of 24 found in the store" in out
    assert (
        out.split("shards measured")[0].splitlines()[:10]
        == told.split("shards measured")[0].splitlines()[:10]
    )
    assert len(list((place / "out/store").rglob("*.damaged"))) == 5
    assert all(rows_of(path.read_bytes()) == rows_of(content) for path, content in whole.items())


def rows_of(content: bytes) -> str:
    """The rows in a file, in words, in which a NaN equals a NaN, without those that say when."""
    return repr(read_table(content).to_pydict())
