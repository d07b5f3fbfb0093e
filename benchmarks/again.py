"""The time of a finished study run again, with the saved answer and without it."""

import subprocess
import sys
import tempfile
from pathlib import Path

from advcore.pipelines.graph.reporting.saved_answer import FILE
from benchmarks.setting import machine, seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as out:
        command = [
            sys.executable,
            "-m",
            "advcore.pipelines.cli",
            "demo",
            "--runner",
            "inline",
            "--out",
            out,
        ]

        def again() -> None:
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            assert "nothing to compute" in done.stdout

        def forgotten() -> None:
            (Path(out) / "demo" / FILE).unlink()
            again()

        def torch_alone() -> None:
            subprocess.run([sys.executable, "-c", "import torch"], check=True)

        subprocess.run(command, check=True, capture_output=True)
        print(f"the demo, finished, run again ({machine()})")
        print(f"  import torch                 {seconds(torch_alone):6.2f} s")
        print(f"  advcore demo, again          {seconds(again):6.2f} s")
        print(
            f"  where nothing is remembered  {seconds(forgotten, 1):6.2f} s: models, data, "
            "figures and MLflow are looked at anew"
        )


if __name__ == "__main__":
    main()
