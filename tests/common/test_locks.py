"""One writer at a time; a lock ends with its process; what a killed process left is put right."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common.errors import InputError
from common.files import path_kind, set_aside, whole_file, whole_folder
from common.locks import exclusive

ROOT = Path(__file__).resolve().parents[2]
HOLD = "import sys, time; from common.files import whole_folder\nwith whole_folder(sys.argv[1], overwrite=True) as f:\n"
HOLD += "    (f / 'x').write_text('half')\n    print(f, flush=True)\n    time.sleep(60)\n"


@pytest.fixture
def holder(tmp_path):
    """Another process that writes tmp_path/out, and the temporary folder that it writes in."""
    words = [sys.executable, "-c", HOLD, str(tmp_path / "out")]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    yield process, Path(process.stdout.readline().strip())
    process.kill()
    process.wait()


def test_the_second_writer_is_refused_with_the_first_ones_process_and_time(tmp_path, holder):
    process, temporary = holder
    words = rf"out: process {process.pid}, since {time.strftime('%Y-')}.* writes there"
    with pytest.raises(InputError, match=words), whole_folder(tmp_path / "out"):
        pytest.fail("the block must not run")
    assert (temporary / "x").is_file()


def test_a_killed_writer_locks_nobody_out_and_its_remains_are_removed(tmp_path, holder, capsys):
    process, temporary = holder
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert temporary.is_dir()
    with whole_folder(tmp_path / "out") as folder:
        (folder / "x").write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert f"{temporary}: left by an interrupted command, removed" in capsys.readouterr().err


def test_killed_between_the_two_renames_the_old_folder_comes_back(tmp_path, capsys):
    (tmp_path / ".out.abc.old" / "was").mkdir(parents=True)
    (tmp_path / ".out.abc.old" / "was" / "x").write_text("old")
    (tmp_path / ".out.def.part").mkdir()
    (tmp_path / ".out.txt.def.part").mkdir()  # of another folder
    assert set_aside(tmp_path / "out") == tmp_path / ".out.abc.old" / "was"
    with pytest.raises(InputError, match="exists already"), whole_folder(tmp_path / "out"):
        pytest.fail("the block must not run")
    assert (tmp_path / "out" / "x").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.txt.def.part", "out"]
    assert "it is back" in capsys.readouterr().err


def test_a_lock_is_free_again_after_its_block(tmp_path):
    for _ in range(2):
        with exclusive(tmp_path / "a"):
            with pytest.raises(InputError, match=rf"process {os.getpid()}, since"), exclusive(tmp_path / "a"):
                pytest.fail("the block must not run")
            with exclusive(tmp_path / "b"):
                pass
    assert list(tmp_path.iterdir()) == []


def temporary_name(path, process, machine=None):
    """What `process` calls the file that it writes for `path`; here, or on another machine."""
    with whole_file(path) as temporary:
        temporary.write_text("")
        name = temporary.name
    path.unlink()
    _, stem, writer, *rest = name.split(".")
    own, _ = writer.split("-")
    return ".".join(["", stem, f"{machine or own}-{process}", *rest])


def test_files_left_by_dead_processes_are_removed_and_those_of_live_ones_stay(tmp_path):
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    path = tmp_path / "table.csv"
    gone, stays = (temporary_name(path, process) for process in (done.pid, os.getppid()))
    for name in (gone, stays):
        (tmp_path / name).write_text("half")
    with whole_file(path) as temporary:
        temporary.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [stays, "table.csv"]


def test_a_file_of_another_machine_is_left_by_it_after_a_day(tmp_path):
    """Its process is none of this machine's: on a shared disk what it was writing was deleted."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    path = tmp_path / "table.csv"
    names = [temporary_name(path, done.pid, machine) for machine in ("0" * 8, "1" * 8)]
    for name, hours in zip(names, (23, 25)):
        (tmp_path / name).write_text("half")
        os.utime(tmp_path / name, (time.time() - 3600 * hours,) * 2)
    with whole_file(path) as temporary:
        temporary.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [names[0], "table.csv"]


def test_a_holder_on_another_machine_is_named_with_it(tmp_path, monkeypatch):
    with exclusive(tmp_path / "out"):
        monkeypatch.setattr("platform.node", lambda: "elsewhere")
        with exclusive(tmp_path / "other"):
            monkeypatch.undo()
            for name, where in (("out", ""), ("other", " on elsewhere")):
                words = rf"process {os.getpid()}{where}, since"
                with pytest.raises(InputError, match=words), exclusive(tmp_path / name):
                    pytest.fail("the block must not run")


@pytest.mark.parametrize("place", ["fifo", "/dev/null"])
def test_devices_and_pipes_are_neither_read_nor_replaced(tmp_path, place):
    os.mkfifo(tmp_path / "fifo")
    path = tmp_path / place
    with pytest.raises(InputError, match=r"is a (device|pipe)"):
        path_kind(path)
    with pytest.raises(InputError, match=r"is a (device|pipe)"), whole_file(path):
        pytest.fail("the block must not run")


def test_names_that_no_file_can_have():
    for name, words in (("x" * 300, "too long"), ("a\0b", "NUL byte")):
        with pytest.raises(InputError, match=words):
            path_kind(name)
