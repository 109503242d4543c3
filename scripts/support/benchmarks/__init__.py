"""The parts of ``scripts/benchmark.py``. Programs are written once, over ``lib``: this toolkit or PyTorch."""
