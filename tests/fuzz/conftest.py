"""Small files of every kind, made once; a long run is shared out among the tests."""

import common.quiet  # noqa: F401  isort: skip

import pytest

from tests.fuzz import drive


def pytest_collection_finish(session):
    here = [item for item in session.items if "tests/fuzz/" in item.nodeid]
    drive.share_s[0] = 60 * drive.MINUTES / max(1, len(here))


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"fuzzing tried {drive.tried[0]:,} inputs")


@pytest.fixture
def place(tmp_path):
    """A function that writes bytes to a file of a name, and gives its path."""

    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write
