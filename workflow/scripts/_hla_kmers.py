"""K-mers of 24 bases as numbers of 48 bits, two a base, made of eight bases at a time.

The two bits of a base are bits 1 and 2 of its letter: A 0, C 1, T 2, G 3; its complement differs in the upper one.
"""

import numpy as np
from _hla_release import UNKNOWN

K = 24
CODE_BITS = np.array([0, 0, 1, 3, 2, 0], dtype=np.uint64)  # of the codes of alignments: unknown, A, C, G, T, gap
LOW_BITS = np.uint64(0x0303030303030303)


def kmers_of(codes: np.ndarray, k: int = K) -> np.ndarray:
    """All k-mers of a sequence of codes without gaps; those with unknown bases are left out."""
    kmers = all_kmers(codes, k)
    unknown = np.cumsum(np.concatenate([[0], codes == UNKNOWN]))
    return kmers[unknown[k:] == unknown[: len(kmers)]] if len(kmers) else kmers


def all_kmers(codes: np.ndarray, k: int = K) -> np.ndarray:
    """The k-mer at each place of a sequence of codes without gaps; unknown bases are taken for A."""
    count = max(len(codes) - k + 1, 0)
    bits = CODE_BITS[codes]
    kmers = np.zeros(count, np.uint64)
    for place in range(k):
        kmers |= bits[place : place + count] << np.uint64(2 * place)
    return kmers


def reverse_complements(kmers: np.ndarray, k: int = K) -> np.ndarray:
    """The k-mers of the other strand."""
    reverse = np.zeros_like(kmers)
    for place in range(k):
        reverse |= ((kmers >> np.uint64(2 * place)) & np.uint64(3)) << np.uint64(2 * (k - 1 - place))
    return reverse ^ np.uint64(sum(2 << 2 * place for place in range(k)))


def pack_words(words: np.ndarray) -> np.ndarray:
    """Eight letters in each 64-bit word, the first in its lowest byte, as 16 bits, two a base."""
    bits = (words >> np.uint64(1)) & LOW_BITS
    bits = (bits | (bits >> np.uint64(6))) & np.uint64(0x000F000F000F000F)
    bits = (bits | (bits >> np.uint64(12))) & np.uint64(0x000000FF000000FF)
    return (bits | (bits >> np.uint64(24))) & np.uint64(0xFFFF)
