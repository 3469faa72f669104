"""The commands that list what can be asked for: score paths and forward formats."""

from __future__ import annotations

from analysis.commands.output import echo


def paths() -> None:
    """List the known engines' score paths, as `--path` takes them, and where each saturates."""
    from analysis.engines import run_engines
    from analysis.steps import saturation

    for engine in run_engines():
        for path in engine.paths.values():
            one_from = saturation(path).one_from
            echo(f"{path}; exactly 1.0 from logit {one_from:.7g}\n  {path.text}")


def formats() -> None:
    """List the forward formats, as `--format` takes them; those that are only recorded last."""
    from analysis.forwardformats import FORWARD_FORMATS, RUN_HERE

    for text, forward_format in FORWARD_FORMATS.items():
        echo(f"{forward_format}{'' if text in RUN_HERE else ' (not run here)'}")
