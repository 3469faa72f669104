"""How fast this package is beside what people would use instead: `make bench`.

Each part is a module that runs alone, ``python bench/scoring.py --pairs 200 --rounds 1``; all of
them, ``python bench/run.py``, write their lines into ``bench/README.md``.
"""
