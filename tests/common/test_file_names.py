"""Files made of ids: as many as there are ids."""

from common.file_names import file_names


def test_no_two_ids_come_to_one_file():
    ids = ["scan 1!", "scan 1?", "scan_1_", "scan_1_-2", "Scan_1_", "a" * 90, "a" * 80, "gr\u00f6\u00dfe.1-b"]
    names = file_names(ids)
    assert names[0] == "scan_1_" and names[-1] == ids[-1]
    assert len({name.casefold() for name in names}) == len(ids)
    assert all("/" not in name and " " not in name for name in file_names(["a/b c", "../x"]))
