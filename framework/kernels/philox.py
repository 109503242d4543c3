"""Philox 4x32-10 on a GPU: word ``i`` of a stream depends on the seed and ``i`` alone.

Reference: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (SC 2011), https://doi.org/10.1145/2063384.2063405.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

_SOURCE = r"""
extern "C" __global__ void philox(unsigned int* out, unsigned long long count, unsigned long long seed,
                                  unsigned long long first) {
    unsigned long long block = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (block * 4 >= count) return;
    unsigned long long at = first + block;
    unsigned int c0 = (unsigned int)at, c1 = (unsigned int)(at >> 32), c2 = 0u, c3 = 0u;
    unsigned int k0 = (unsigned int)seed, k1 = (unsigned int)(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        unsigned long long p = 0xD2511F53ull * c0, q = 0xCD9E8D57ull * c2;
        unsigned int n0 = (unsigned int)(q >> 32) ^ c1 ^ k0, n2 = (unsigned int)(p >> 32) ^ c3 ^ k1;
        c1 = (unsigned int)q; c3 = (unsigned int)p; c0 = n0; c2 = n2;
        k0 += 0x9E3779B9u; k1 += 0xBB67AE85u;
    }
    unsigned int words[4] = {c0, c1, c2, c3};
    for (int i = 0; i < 4 && block * 4 + i < count; ++i) out[block * 4 + i] = words[i];
}
"""


@cache
def _kernel() -> Any:
    return import_module("cupy").RawKernel(_SOURCE, "philox")


def words(xp: Any, count: int, seed: int, first: int) -> Any:
    """``count`` random uint32 of the stream of ``seed``, from its block ``first`` (of four words) on."""
    out = xp.empty(count, xp.uint32)
    blocks = -(-count // 4)
    if blocks:
        arguments = (out, xp.uint64(count), xp.uint64(seed), xp.uint64(first))
        _kernel()((-(-blocks // 256),), (256,), arguments)
    return out
