"""The audit: which precision made these scores, what it hides, and what to do about it.

One way through, a module a stage: :mod:`~analysis.auditing.sources` gets the scores (from a running
server, a file or a model), :mod:`~analysis.auditing.findings` says what is in them,
:mod:`~analysis.auditing.conditions` decides whether a pipeline should stop, and
:mod:`~analysis.auditing.terminal` and :mod:`~analysis.auditing.page` show it.
:mod:`~analysis.auditing.command` is the command line's `audit`.
"""
