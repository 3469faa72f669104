"""Files that atheris changes byte by byte, towards code that no file has reached yet.

Each subject of ``tests/generated_inputs.py`` that is one file is tried in a process of its own,
whose readers are instrumented as they are imported::

    python tools/torture/mutations.py SUBJECT TIMES FOUND

The first byte of an input says which of the subject's file names it has; the rest is the file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

TOOLS = Path(__file__).parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(folder) for folder in (TOOLS, TOOLS.parent / "tests", TOOLS.parent)]

from torture.counts import CannotRunError, Count, Kind  # noqa: E402 -- found by the lines above

_SUBJECTS = {
    "sets, JSONL": 6_000,
    "sets, CSV and TSV": 6_000,
    "sets, gzip": 3_000,
    "sets, MS MARCO": 6_000,
    "qrels": 6_000,
    "runs": 6_000,
    "scores, JSON and JSONL": 6_000,
    "scores, CSV and runs": 6_000,
    "scores, Parquet": 5_000,
}
"""How often each is tried: 50,000 in all."""
_SEEDS = 40
"""Files of Hypothesis that atheris begins with."""
_LONGEST = 4_096
_MOST_SECONDS = 10
_MOST_KEPT = 50
_MOST_SAID = 2_000


def trying(subject: str) -> Callable[[int, Path], Count]:
    """Make the run that tries one subject."""

    def run_subject(times: int, folder: Path) -> Count:
        if find_spec("atheris") is None:
            raise CannotRunError("atheris is not installed; it has wheels for Linux on x86-64")
        found = folder / "found.json"
        command = [sys.executable, __file__, subject, str(times), str(found)]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if not found.exists():
            said = ended.stderr[-_MOST_SAID:]
            return Count(0, [f"the process ended with status {ended.returncode}: {said}"])
        tried, wrong = json.loads(found.read_text(encoding="utf-8"))
        return Count(tried, wrong)

    return run_subject


def main() -> None:
    """Try files of one subject, the same ones each time, and write down what came out wrong."""
    import atheris

    subject, times, found = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    with atheris.instrument_imports(include=["analysis.readers"]):
        from generated_inputs import INPUTS
    from torture.inputs import limit_memory

    seeds = _seeds(subject)
    names = sorted({name for contents in seeds for name in contents})
    corpus = found.parent / "corpus"
    corpus.mkdir()
    for number, contents in enumerate(seeds):
        ((name, content),) = contents.items()
        (corpus / str(number)).write_bytes(bytes([names.index(name)]) + content)
    warnings.simplefilter("error")  # a warning is no documented answer either
    wrong: list[str] = []
    tried = 0

    def try_one(data: bytes) -> None:
        nonlocal tried
        tried += 1
        name, content = names[data[0] % len(names)] if data else names[0], data[1:]
        try:
            INPUTS[subject].check({name: content})
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error} — {name}: {content[:_MOST_SAID]!r}")
        if tried == times:
            found.write_text(json.dumps((tried, wrong[:_MOST_KEPT])), encoding="utf-8")
            os._exit(0)  # what libFuzzer does at its end is of no use here

    options = ["-seed=1", f"-max_len={_LONGEST}", f"-timeout={_MOST_SECONDS}", "-rss_limit_mb=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], try_one)
    limit_memory()
    atheris.Fuzz()


def _seeds(subject: str) -> list[dict[str, bytes]]:
    """Files as the subject has them, the same ones each time."""
    from generated_files import FILES
    from hypothesis import HealthCheck, Phase, given, seed, settings

    files: list[dict[str, bytes]] = []

    @seed(0)
    @settings(
        max_examples=_SEEDS,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(FILES[subject])
    def take(contents: dict[str, bytes]) -> None:
        files.append(dict(contents))

    take()
    return files


KINDS = tuple(
    Kind(f"mutated: {subject}", "atheris, from generated files", times, trying(subject))
    for subject, times in _SUBJECTS.items()
)

if __name__ == "__main__":
    main()
