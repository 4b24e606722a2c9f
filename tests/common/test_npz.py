"""NumPy archives from anywhere: whole and plain, or refused before they take memory."""

import io
import zipfile

import numpy as np
import pytest

from common.errors import InputError
from common.npz import read_npz


def test_arrays_come_back_in_order(tmp_path):
    np.savez(tmp_path / "a.npz", np.arange(3), names=np.array("x"))
    found = read_npz(tmp_path / "a.npz", "checkpoint", "delete it")
    assert list(found) == ["names", "arr_0"] and found["arr_0"].tolist() == [0, 1, 2] and found["names"] == "x"


def _header(shape):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue()


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (lambda: _header((50 << 20,)) + bytes(200 << 20), "unpacks to 2"),
        (lambda: _header((10**15,)) + bytes(40), "allocate|array"),
        (lambda: _header((100,)) + bytes(40), "EOF|cannot reshape|Failed to read"),
    ],
)
def test_what_grows_or_promises_too_much_is_refused(tmp_path, member, words):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("arr_0.npy", member())
    with pytest.raises(InputError, match=rf"a\.npz: is no readable checkpoint \(.*({words}).*\): delete it"):
        read_npz(tmp_path / "a.npz", "checkpoint", "delete it")


def test_objects_are_not_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", np.array([{}], dtype=object))
    with pytest.raises(InputError, match=r"a\.npz: is no readable checkpoint \(.*allow_pickle"):
        read_npz(tmp_path / "a.npz", "checkpoint", "delete it")


@pytest.mark.parametrize("part", [0, 1, 0.5, 0.99])
def test_a_torn_file_is_one_error_wherever_it_ends(tmp_path, part):
    """Three callers once listed what may come; a compressed member that is torn inside was on no list."""
    np.savez_compressed(tmp_path / "a.npz", np.arange(1000))
    whole = bytearray((tmp_path / "a.npz").read_bytes())
    if part == 1:  # whole at both ends
        whole[len(whole) // 2] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(whole[: round(part * len(whole))])
    with pytest.raises(InputError, match=r"a\.npz: is no readable checkpoint \(.*\): delete it"):
        read_npz(tmp_path / "a.npz", "checkpoint", "delete it")
    with pytest.raises(InputError, match=r"gone\.npz: there is no such file"):
        read_npz(tmp_path / "gone.npz", "checkpoint", "delete it")
