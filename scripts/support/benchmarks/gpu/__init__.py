"""The GPU's half of ``scripts/benchmark.py``: its cases, the two processes that take turns on one card, and the record."""
