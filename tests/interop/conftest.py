import pytest

import clients


@pytest.fixture
def model():
    """-> function from a path below the folder of models to its path; the test is skipped where the folder is absent"""

    def find(name):
        path = clients.MODELS / name
        if not path.exists():
            pytest.skip(f"{name} is not in {clients.MODELS} (set QUANTPRESS_MODELS)")
        return path

    return find
