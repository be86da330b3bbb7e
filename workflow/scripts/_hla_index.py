"""The index of an HLA release: what typing needs of it, in one file that loads in a blink.

`haplotypes` of a gene are the different pieces of 32 columns, tile after tile, and `which` says which piece an allele
has in a tile; so thousands of alleles cost little more than their differences.
"""

import os
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# Matrices here are small: threads of numpy's algebra wait for each other longer than they help.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np

TYPED = ("A", "B", "C", "DRB1", "DRB3", "DRB4", "DRB5", "DQA1", "DQB1", "DPA1", "DPB1")
TILE = 32  # columns
EXON, BETWEEN = 1, 0  # kinds of blocks of columns
FORMAT = 1


@dataclass
class IndexedGene:
    """A gene of the index.

    `ends` and `kinds` (EXON or BETWEEN) tell its blocks of columns; `filled`, alleles by blocks, what came from a
    relative; `haplotypes` (pieces by 32 codes), `first` (tiles + 1) and `which` (tiles by alleles) hold the sequences;
    alleles of the same number in `setting` are the same between exons.
    """

    name: str
    names: list[str]
    ends: np.ndarray
    kinds: np.ndarray
    filled: np.ndarray
    haplotypes: np.ndarray
    first: np.ndarray
    which: np.ndarray
    setting: np.ndarray

    @cached_property
    def exon_of(self) -> np.ndarray:
        """The number of the exon that each column lies in, counted from 1, or 0."""
        numbers = np.where(self.kinds == EXON, np.cumsum(self.kinds == EXON), 0)
        return np.repeat(numbers, np.diff(self.ends, prepend=0))

    @cached_property
    def block_of(self) -> np.ndarray:
        """The block, counted from 0, that each column lies in."""
        return np.repeat(np.arange(len(self.ends)), np.diff(self.ends, prepend=0))

    def tile(self, number: int) -> np.ndarray:
        """The different pieces of one tile."""
        return self.haplotypes[self.first[number] : self.first[number + 1]]

    def rows(self, alleles: np.ndarray) -> np.ndarray:
        """The aligned sequences of some alleles, in all columns."""
        pieces = self.haplotypes[self.first[:-1, None] + self.which[:, alleles]]
        return pieces.transpose(1, 0, 2).reshape(len(alleles), -1)[:, : int(self.ends[-1])]


class Index:
    """An index as it lies in its file; genes are read when they are asked for."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = np.load(path, allow_pickle=False)
            if int(self._file["format"]) != FORMAT:
                raise ValueError(f"it has format {self._file['format']}, this program reads {FORMAT}")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} is no index of HLA alleles that can be read ({error}); remove it, and run again"
            ) from error
        self.release = str(self._file["release"])
        self.genes = self.strings("genes")
        self._read: dict[str, IndexedGene] = {}

    def strings(self, key: str) -> list[str]:
        """A list of names, which are kept as one text."""
        return bytes(self._file[key]).decode().split("\n")

    def array(self, key: str) -> np.ndarray:
        """An array by its name."""
        return self._file[key]

    def gene(self, name: str) -> IndexedGene:
        """One gene."""
        if name not in self._read:
            arrays = {
                key: self._file[f"{name}/{key}"]
                for key in ("ends", "kinds", "filled", "haplotypes", "first", "which", "setting")
            }
            self._read[name] = IndexedGene(name, self.strings(f"{name}/names"), **arrays)
        return self._read[name]

    def groups(self, letter: str) -> dict[str, str]:
        """The G or P group of each allele that is in one."""
        rows = [line.split("\t") for line in self.strings(f"groups/{letter}") if line]
        return dict(rows)
