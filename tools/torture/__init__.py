"""Torture: what happens to results when processes, disks, files, inputs and models go wrong.

A module for each sort of trouble. Each gives kinds (:mod:`torture.counts`), whose runs count how
often something was tried and list what came out wrong; ``python tools/torture`` runs them and
writes the table of ``docs/reliability.md``.
"""
