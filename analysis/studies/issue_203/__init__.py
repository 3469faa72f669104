"""The report that this project starts from, reproduced: michaelfeil/infinity issue 203.

Everything here reads recordings of real engines (:mod:`analysis.recordings`).
:mod:`~analysis.studies.issue_203.comparison` sets one run against another,
:mod:`~analysis.studies.issue_203.decomposition` separates what the dtype did from what the formula did,
:mod:`~analysis.studies.issue_203.versions` follows Infinity through its releases,
:mod:`~analysis.studies.issue_203.team` answers "you run engine X, version Y, on device Z", and
:mod:`~analysis.studies.issue_203.words` says it.
"""
