"""Ask PyPI which known vulnerabilities the locked versions have, with pip-audit.

    python tools/audit_dependencies.py constraints.txt …

pip-audit passes over what the index does not know, and then says that it found nothing: where the
index cannot be reached, that would be a lie. Exit status: 0 every version is known and has no known
vulnerability, 1 some have, 2 the index could not be asked about all of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

_FOUND, _NOT_ASKED = 1, 2
_NAMES_SHOWN = 5
_REMEDY = "run this where PyPI's JSON API answers: an index of packages alone knows nothing"

Dependencies = list[dict]
"""What pip-audit says of each: name, and version and vulns, or a skip_reason."""


def asked(file: Path) -> Dependencies:
    """What pip-audit says of the versions in a file; exits where it says nothing."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", file, "--format", "json"]
    command += ["--no-deps", "--disable-pip", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, LookupError):
        reason = done.stderr.strip().rpartition("\n")[-1]
        complain(f"{file}: pip-audit could not ask ({reason}): {_REMEDY}")
        sys.exit(_NOT_ASKED)


def vulnerabilities(dependencies: Dependencies) -> Iterator[str]:
    """Yield a line for each known vulnerability."""
    for one in dependencies:
        for vulnerability in one.get("vulns", []):
            names = ", ".join([vulnerability["id"], *vulnerability.get("aliases", [])])
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            yield f"{one['name']} {one['version']}: {names}; fixed in {fixed}"


def unknown(dependencies: Dependencies) -> list[str]:
    """Names of the versions that the index does not know."""
    return [one["name"] for one in dependencies if "skip_reason" in one]


def complain(line: str) -> None:
    """Say something on standard error."""
    print(line, file=sys.stderr)


def main(files: Sequence[str]) -> int:
    """Audit each file; returns the exit status."""
    status = 0
    for file in map(Path, files):
        dependencies = asked(file)
        found, missing = list(vulnerabilities(dependencies)), unknown(dependencies)
        for line in found:
            complain(f"{file}: {line}")
        if missing:
            some = ", ".join(missing[:_NAMES_SHOWN]) + ", …" * (len(missing) > _NAMES_SHOWN)
            complain(
                f"{file}: the index does not know {len(missing)} of {len(dependencies)} versions "
                f"({some}), and nothing is known of them: {_REMEDY}"
            )
        status = max(status, _FOUND * bool(found), _NOT_ASKED * bool(missing))
        if not (found or missing):
            print(f"{file}: no known vulnerability, versions asked about: {len(dependencies)}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
