"""The one exception that bad input raises anywhere in this package."""

from __future__ import annotations


class InputError(ValueError):
    """Input from outside that cannot be used: says where it stands and how to mend it.

    The message reads ``<file>:<line>: <field>: <problem>. <remedy>.``; the parts that do not
    apply are left out.
    """

    def __init__(
        self,
        problem: str,
        remedy: str,
        *,
        file: object = None,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        self.problem, self.remedy = problem, remedy
        self.file, self.line, self.field = file, line, field
        place = "" if file is None else f"{file}:" if line is None else f"{file}:{line}:"
        name = "" if field is None else f"{field}:"
        super().__init__(" ".join(part for part in (place, name, f"{problem}. {remedy}.") if part))
