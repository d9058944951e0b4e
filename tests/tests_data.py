"""Marks for tests that need the real data sets: the folder named by LAMINA_DATA."""

import os
from pathlib import Path

import pytest


def needs_data(name: str):
    """Skips without the data set; else the test gets its folder as the argument `data`."""
    folder = Path(os.environ.get("LAMINA_DATA", "")) / name
    missing = not os.environ.get("LAMINA_DATA") or not folder.exists()
    mark = pytest.mark.skipif(missing, reason=f"set LAMINA_DATA to a folder that holds {name}")

    def decorate(test):
        return mark(pytest.mark.parametrize("data", [folder], ids=[name])(test))

    return decorate
