"""Image sets written by tests, in the layout of FETAL_PLANES_DB or any other declared source."""

from pathlib import Path

import numpy as np
from skimage import io

HEADER = "Image_name;Patient_num;Plane;Brain_plane;Operator;US_Machine;Train "
TABLE = "FETAL_PLANES_DB_data.csv"
PLANES = ("Fetal abdomen", "Fetal brain", "Fetal femur", "Fetal thorax")
MACHINES = ("Voluson E6", "Aloka")


def write_planes(folder: Path, extension=".png", rows=None, images="Images") -> Path:
    """Four planes for each of 12 patients, 4 of them test; values carry the official trailing space.

    `rows` changes the lines of the table, the header first, before they are written.
    """
    (folder / images).mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = [HEADER]
    for patient in range(12):
        for number, plane in enumerate(PLANES):
            name = f"Patient{patient:05d}_Plane{number}_1_of_1"
            machine = MACHINES[patient % 2]
            lines.append(f"{name};{patient};{plane};Not A Brain;Op. 1;{machine};{int(patient >= 4)} ")
            io.imsave(folder / images / (name + extension), rng.integers(0, 255, (40, 60)).astype(np.uint8))
    (folder / TABLE).write_text("\n".join(lines if rows is None else rows(lines)) + "\n")
    return folder
