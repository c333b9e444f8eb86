"""The random numbers of src/base/rng.c, src/nn/weights.c and tests/model/golden.c in numpy.

Philox4x32-10: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC11.
"""
import numpy as np

MASK = np.uint64(0xFFFFFFFF)
MULTIPLIER = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
SHIFT = np.uint64(32)


def words(seed, stream, count):
    """The first `count` 32-bit words of a stream (rs_rng_u32)."""
    index = np.arange((count + 3) // 4, dtype=np.uint64)
    counter = [index & MASK, index >> SHIFT,
               np.full_like(index, stream & 0xFFFFFFFF), np.full_like(index, stream >> 32)]
    key = [np.uint64(seed & 0xFFFFFFFF), np.uint64(seed >> 32)]
    for _ in range(10):
        product0 = MULTIPLIER[0] * counter[0]
        product1 = MULTIPLIER[1] * counter[2]
        counter = [(product1 >> SHIFT) ^ counter[1] ^ key[0], product1 & MASK,
                   (product0 >> SHIFT) ^ counter[3] ^ key[1], product0 & MASK]
        key = [(key[0] + WEYL[0]) & MASK, (key[1] + WEYL[1]) & MASK]
    return np.stack(counter, axis=1).astype(np.uint32).reshape(-1)[:count]


def uniform(seed, stream, count):
    """[0, 1) with 24 bits, exact in float32 (rs_rng_uniform)."""
    return (words(seed, stream, count) >> np.uint32(8)).astype(np.float64) * 2.0 ** -24


def normal(seed, stream, count):
    """Box-Muller, rounded to float32 (rs_rng_normal)."""
    w = words(seed, stream, 2 * count).astype(np.float64)
    u = (w[0::2] + 0.5) * 2.0 ** -32
    v = w[1::2] * 2.0 ** -32
    return np.float32(np.sqrt(-2.0 * np.log(u)) * np.cos(6.283185307179586 * v)).astype(np.float64)


def below(seed, stream, n, count):
    """Integers in [0, n) (rs_rng_below). Refuses a stream in which Lemire's method would reject."""
    product = words(seed, stream, count).astype(np.uint64) * np.uint64(n)
    if ((product & MASK) < np.uint64(2 ** 32 % n)).any():
        raise ValueError("this stream holds a rejected number: take another")
    return (product >> SHIFT).astype(np.int64)


def self_test():
    """The known answers of Random123's kat_vectors for philox4x32-10."""
    assert [hex(w) for w in words(0, 0, 4)] == [
        "0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]
