"""Files and folders are whole or absent, also when the disk fills up half way."""

import errno
import os
import stat
from pathlib import Path

import pytest

from common.errors import InputError
from common.files import set_aside, whole_file, whole_folder, write_text
from common.locks import exclusive


def contents(folder: Path) -> dict:
    """Everything under a folder, hidden or not."""
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(params=[RuntimeError("stop"), KeyboardInterrupt(), SystemExit(1)], ids=lambda e: type(e).__name__)
def interruption(request):
    return request.param


def test_a_folder_appears_only_when_its_block_ends_well(tmp_path):
    with whole_folder(tmp_path / "a" / "out") as folder:
        (folder / "x").write_text("1")
        assert not (tmp_path / "a" / "out").exists()
    assert contents(tmp_path) == {"a/out/x": "1"}


def test_an_interrupted_folder_leaves_nothing(tmp_path, interruption):
    with pytest.raises(type(interruption)), whole_folder(tmp_path / "out") as folder:
        (folder / "x").write_text("1")
        raise interruption
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_replaced_only_when_asked_and_whole(tmp_path, interruption):
    out = tmp_path / "out"
    with whole_folder(out) as folder:
        (folder / "old").write_text("old")
    with pytest.raises(InputError, match=r"out: .*exists already.*set overwrite"), whole_folder(out):
        pytest.fail("the block must not run")
    with pytest.raises(type(interruption)), whole_folder(out, overwrite=True) as folder:
        (folder / "new").write_text("new")
        raise interruption
    assert contents(tmp_path) == {"out/old": "old"}
    with whole_folder(out, overwrite=True) as folder:
        (folder / "new").write_text("new")
        assert (out / "old").exists()  # until the new one is whole
    assert contents(tmp_path) == {"out/new": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_keeps_the_old_folder(tmp_path):
    with whole_folder(tmp_path / "out") as folder:
        (folder / "old").write_text("old")
    with pytest.raises(InputError, match="the disk is full"), whole_folder(tmp_path / "out", overwrite=True):
        full()
    assert contents(tmp_path) == {"out/old": "old"}


def test_a_swap_that_fails_puts_the_old_folder_back(tmp_path, monkeypatch):
    with whole_folder(tmp_path / "out") as folder:
        (folder / "old").write_text("old")
    real = os.replace

    def fails_for_the_new_one(source, target):
        if str(source).endswith(".part"):
            full()
        real(source, target)

    monkeypatch.setattr(os, "replace", fails_for_the_new_one)
    with pytest.raises(InputError, match="the disk is full"), whole_folder(tmp_path / "out", overwrite=True):
        pass
    assert contents(tmp_path) == {"out/old": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_where_a_folder_is_to_be(tmp_path):
    (tmp_path / "out").write_text("a file")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="out"), whole_folder(tmp_path / "out", overwrite=overwrite):
            pytest.fail("the block must not run")
    with (
        pytest.raises(InputError, match="out: a file of this name is in the way"),
        whole_folder(tmp_path / "out" / "deeper"),
    ):
        pytest.fail("the block must not run")
    assert contents(tmp_path) == {"out": "a file"}


def test_what_comes_out_has_ordinary_permissions(tmp_path):
    (tmp_path / "ordinary").mkdir()
    with whole_folder(tmp_path / "out"):
        pass
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ordinary", "out")}
    assert len(modes) == 1


def test_a_file_appears_only_when_its_block_ends_well(tmp_path):
    path = tmp_path / "deep" / "model.keras"
    with whole_file(path) as temporary:
        assert temporary.suffix == ".keras"  # writers choose their format by it
        temporary.write_text("1")
        assert not path.exists()
    assert contents(tmp_path) == {"deep/model.keras": "1"}


def test_an_interrupted_file_leaves_the_old_one(tmp_path, interruption):
    path = tmp_path / "table.csv"
    write_text(path, "old")
    with pytest.raises(type(interruption)), whole_file(path) as temporary:
        temporary.write_text("half of the n")
        raise interruption
    assert contents(tmp_path) == {"table.csv": "old"}
    write_text(path, "new é\n")
    assert path.read_bytes() == "new é\n".encode()


def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "table.csv"
    write_text(path, "old")
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match=r"table\.csv: the disk is full"):
        write_text(path, "new")
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["table.csv"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_disk_that_is_really_full():
    with pytest.raises(InputError, match="the disk is full"), whole_file("unused") as temporary:
        with open("/dev/full", "w") as stream:
            stream.write("x" * 100_000)
        pytest.fail(f"{temporary} was written")
    assert not Path("unused").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    for attempt in (whole_folder(locked / "out"), whole_file(locked / "file")):
        with pytest.raises(InputError, match="permission denied"), attempt as path:
            path.write_text("x")


def test_a_linked_folder_is_made_or_replaced_where_the_link_leads(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "new")  # which is not there yet
    for text in ("1", "2"):
        with whole_folder(tmp_path / "out", overwrite=True) as folder:
            (folder / "x").write_text(text)
            with pytest.raises(InputError, match="writes there"), exclusive(tmp_path / "disk" / "new"):
                pytest.fail("both names have one lock")
        assert (tmp_path / "out").is_symlink() and contents(tmp_path / "disk") == {"new/x": text}
    with pytest.raises(InputError, match="exists already"), whole_folder(tmp_path / "out"):
        pytest.fail("the block must not run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "out"]


def test_what_an_interrupted_overwriting_set_aside_is_found_behind_a_link(tmp_path):
    (tmp_path / "disk" / ".new.abc.old" / "was").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "new")
    assert set_aside(tmp_path / "out") == tmp_path / "disk" / ".new.abc.old" / "was"


def test_a_linked_file_is_written_where_the_link_leads(tmp_path):
    (tmp_path / "safe").mkdir()
    (tmp_path / "map.json").symlink_to("safe/map.json")
    for text in ("1", "2"):
        write_text(tmp_path / "map.json", text)
        assert (tmp_path / "map.json").is_symlink() and contents(tmp_path / "safe") == {"map.json": text}


def test_a_link_into_a_folder_that_is_missing_is_refused_before_any_work(tmp_path):
    (tmp_path / "out").symlink_to("disk/new")
    for attempt in (whole_folder(tmp_path / "out", overwrite=True), whole_file(tmp_path / "out")):
        with pytest.raises(InputError, match=r"out: links to .*new, and there is no folder .*disk: make it"), attempt:
            pytest.fail("the block must not run")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(InputError, match="links lead in a circle"), whole_folder(tmp_path / "circle"):
        pytest.fail("the block must not run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["circle", "out"]
