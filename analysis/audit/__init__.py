"""The audit: which precision made these scores, what it hides, and what to do about it.

One way through, a module a stage: :mod:`~analysis.audit.sources` gets the scores (from a running
server, a file or a model), :mod:`~analysis.audit.findings` says what is in them,
:mod:`~analysis.audit.conditions` decides whether a pipeline should stop, and
:mod:`~analysis.audit.terminal` and :mod:`~analysis.audit.page` show it.
:mod:`~analysis.audit.command` is the command line's `audit`.
"""
