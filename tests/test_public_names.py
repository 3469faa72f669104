"""The names that users are promised: at the top, and in the faces of the rooms the docs name."""

import subprocess
import sys

import pytest

import analysis
from analysis import auditing, budgets, fingerprinting, metrics, readers, remedies

TOP = """InputError ScorePath __version__ apply audit compare draw effects evaluate fingerprint load
path_of read recommend report score verified_top_k view"""
FACES = {
    auditing: "Condition Findings audit compare",
    budgets: "ErrorBudget budget_of error_budget noise_floor predict staged_logits",
    fingerprinting: "StageVerdict Verdict fingerprint",
}


def test_the_names_at_the_top():
    assert sorted(analysis.__all__) == sorted(TOP.split()) == sorted(dir(analysis))


@pytest.mark.parametrize("face", FACES, ids=lambda room: room.__name__)
def test_the_names_of_a_room(face):
    assert sorted(face.__all__) == sorted(FACES[face].split())


def test_they_are_few():
    faces = [auditing, budgets, fingerprinting, metrics, readers, remedies]
    assert len(analysis.__all__) + sum(len(face.__all__) for face in faces) <= 60


def test_a_name_is_what_it_says_whatever_was_imported_before():
    """No module hides a function of its name, in whichever order they are loaded."""
    code = (
        "import importlib, pkgutil, analysis\n"
        "first = {name: getattr(analysis, name) for name in analysis.__all__}\n"
        "for room in pkgutil.iter_modules(analysis.__path__):\n"
        "    importlib.import_module(f'analysis.{room.name}')\n"
        "assert all(getattr(analysis, name) == found for name, found in first.items())\n"
        "assert not [name for name, found in first.items() if type(found).__name__ == 'module']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_room_is_called_like_a_name():
    from pkgutil import iter_modules

    rooms = {module.name for module in iter_modules(analysis.__path__)}
    assert not rooms & set(analysis.__all__)


def test_what_is_not_there_is_said():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = analysis.nothing


LIGHT = {
    "evaluate": "analysis.evaluate(frame, frame.assign(grade=1), ['nDCG@10'])",
    "compare": "analysis.compare(frame, frame)",
    "effects": "analysis.effects(logits, analysis.path_of('infinity', '0.0.32', 'float16'))",
    "recommend": "analysis.recommend(logits, analysis.path_of('haystack', '2.31.0', 'float16'))",
    "fingerprint": "analysis.fingerprint(frame['score'])",
    "audit": "analysis.audit(scores=frame)",
}


@pytest.mark.parametrize("name", LIGHT)
def test_what_needs_neither_torch_nor_jupyter_loads_neither(name):
    code = (
        "import sys, numpy as np, pandas as pd, analysis\n"
        "ids = [(f'q{n % 5}', f'p{n}') for n in range(100)]\n"
        "frame = pd.DataFrame(ids, columns=['query_id', 'passage_id'])\n"
        "frame['score'] = analysis.ScorePath('float16').scores(np.linspace(-5, 9, 100))\n"
        "logits = frame.assign(logit=np.linspace(-5, 9, 100), forward_dtype='float16')\n"
        f"{LIGHT[name]}\n"
        "print(*{m.partition('.')[0] for m in sys.modules} & {'torch', 'transformers', 'IPython',"
        " 'ipywidgets', 'jupyterlab', 'nbformat', 'matplotlib'})"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []
