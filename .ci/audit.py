"""List the known vulnerabilities of what requirements.lock pins, by pip-audit.

A package that could not be audited is reported, and is not taken for safe.

    python .ci/audit.py UV [--where-reachable]

Status: 0 no vulnerability is known, 1 some are, 3 not audited, because the data or the tool cannot
be reached. With `--where-reachable` the last is told and 0.
"""

import json
import subprocess
import sys
from typing import Any

TOOL = "pip-audit==2.10.1"
OPTIONS = (
    "--requirement",
    "requirements.lock",
    "--no-deps",
    "--disable-pip",
    "--format",
    "json",
    "--progress-spinner",
    "off",
)


def main(uv: str, lenient: bool) -> int:
    """Run the tool and say what it found."""
    try:
        command = [uv, "tool", "run", "--quiet", "--from", TOOL, "pip-audit", *OPTIONS]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        return not_audited(str(error), lenient)
    return verdict(done.stdout, done.stderr, lenient)


def verdict(report: str, messages: str, lenient: bool = False) -> int:
    """What pip-audit's JSON says; its last message where there is none."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return not_audited(
            (messages.strip().splitlines() or ["no word from pip-audit"])[-1], lenient
        )
    skipped = {
        package["name"]: package["skip_reason"] for package in packages if "skip_reason" in package
    }
    found = [(package, flaw) for package in packages for flaw in package.get("vulns", ())]
    for package, flaw in found:
        mended = ", ".join(flaw["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {flaw['id']}, mended in {mended}")
    if found:
        return 1
    if skipped or not packages:
        name, reason = next(iter(skipped.items()), ("requirements.lock", "it names no package"))
        return not_audited(
            f"{len(skipped)} of {len(packages)} packages, first {name}: {reason}", lenient
        )
    print(f"audited: no vulnerability is known of {len(packages)} packages")
    return 0


def not_audited(why: str, lenient: bool) -> int:
    """Say that nothing is known, and why."""
    print(f"NOT AUDITED: {why}", file=sys.stderr)
    return 0 if lenient else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "--where-reachable" in sys.argv[2:]))
