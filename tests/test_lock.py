"""The lists of versions agree, and the shorter ones are complete."""

from __future__ import annotations


def test_versions_for_an_audit_are_the_locked_ones(lock):
    locked = lock.CONSTRAINTS.read_text().splitlines()
    audit = lock.AUDIT_REQUIREMENTS.read_text().splitlines()
    assert set(audit) < set(locked)
    assert [line.partition("==")[0] for line in audit] == sorted(lock.closure(lock.AUDIT))


def test_versions_for_a_gpu_are_the_locked_ones(lock):
    locked = lock.CONSTRAINTS.read_text().splitlines()
    needed = lock.GPU_REQUIREMENTS.read_text().splitlines()
    assert set(needed) < set(locked)
    assert [line.partition("==")[0] for line in needed] == sorted(lock.closure(lock.GPU))


def test_neither_torch_nor_jupyter_is_needed_for_an_audit(lock):
    needed = lock.closure(lock.AUDIT)
    assert not needed & {"torch", "transformers", "jupyterlab", "ipython", "papermill"}


def test_this_project_and_installers_are_not_locked(lock):
    assert not lock.installed().keys() & {"rerank-precision", "pip"}
