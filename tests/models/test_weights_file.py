"""An HDF5 file of weights is read alone: what it takes from another file is refused before anything is opened."""

import h5py
import numpy as np
import pytest

from common.errors import InputError
from models.keras_file import check_weights_file


def outside_link(file, other):
    file["layer/kernel"] = h5py.ExternalLink(str(other), "/x")


def soft_link(file, other):
    file["layer/kernel"] = h5py.SoftLink("/elsewhere")


def outside_storage(file, other):
    file.create_dataset("layer/kernel", (2,), "u1", external=[(str(other), 0, 2)])


def virtual(file, other):
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource(str(other), "x", (2,))
    file.create_virtual_dataset("layer/kernel", layout)


@pytest.mark.parametrize("add", [outside_link, soft_link, outside_storage, virtual])
def test_what_leads_out_is_refused(tmp_path, add):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.ones(2, np.float32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["layer/bias"] = np.ones(2)
    check_weights_file(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        add(file, tmp_path / "other.h5")
    with pytest.raises(InputError, match=r"a\.h5: its 'layer/kernel' leads to another file"):
        check_weights_file(tmp_path / "a.h5")


def test_what_is_no_hdf5_is_one_line(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"no")
    with pytest.raises(InputError, match=r"a\.h5: can't be loaded"):
        check_weights_file(tmp_path / "a.h5")
