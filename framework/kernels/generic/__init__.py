"""The generic kernels: plain array code that NumPy and CuPy run alike; the fallback, and the oracle of the others."""
