from pathlib import Path

import pytest

from tests.toy.make_all import Wishes, make_all


@pytest.fixture(scope="session")
def small() -> Wishes:
    return Wishes(genome_size=30_000, fungus_size=80_000, more_bacteria=1, samples=7, fragments=400)


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory, small: Wishes) -> Path:
    """A small toy Ensembl with reads: seven samples and a broken one, of a fungus and of two bacteria."""
    folder = tmp_path_factory.mktemp("toy")
    make_all(folder, small, "reads")
    return folder
