"""A command that is stopped ends in order: its exit code says by what, and nothing half-written is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import InputError
from common.files import clear_leftovers_in, whole_file
from common.locks import exclusive

ROOT = Path(__file__).resolve().parents[2]
COMMAND = """
import sys, time
from common.errors import run_command
from common.files import whole_folder

def main(argv):
    with whole_folder(argv[0]) as folder:
        (folder / "x").write_text("half")
        print("ready", flush=True)
        time.sleep(60)

sys.exit(run_command(main))
"""


@pytest.mark.parametrize("sent, code, word", [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")])
def test_a_signal_ends_a_command_in_order(tmp_path, sent, code, word):
    words = [sys.executable, "-c", COMMAND, str(tmp_path / "out")]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    assert len(list(tmp_path.iterdir())) == 2, "the half-written folder and the lock"
    process.send_signal(sent)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code and said.startswith(word) and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_terminal_that_is_no_utf_8_loses_characters_and_nothing_else():
    script = "import sys; from common.errors import run_command\n"
    script += "from common.console import say\nsys.exit(run_command(lambda argv: say('caf\u00e9 [/bold] \u2192')))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "caf? [/bold] ?\n", "")


def test_who_waits_for_a_lock_gets_it_when_its_process_ends(tmp_path, capsys):
    script = "import sys, time; from common.locks import exclusive\nwith exclusive(sys.argv[1]):\n"
    script += "    print(flush=True); time.sleep(1)"
    words = [sys.executable, "-c", script, str(tmp_path / "x")]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        with pytest.raises(InputError, match=f"process {process.pid}"), exclusive(tmp_path / "x"):
            pytest.fail("it is held")
        with exclusive(tmp_path / "x", wait=True):
            assert process.wait(timeout=10) == 0
    assert f"process {process.pid}" in capsys.readouterr().err


def test_what_killed_processes_left_in_a_folder_is_removed_and_what_runs_is_left_alone(tmp_path, capsys):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "a").mkdir()
    with whole_file(tmp_path / "a" / "history.csv") as mine:
        mine.write_text("")
    (tmp_path / "a" / mine.name.replace(str(os.getpid()), str(dead.pid))).write_text("x")
    (tmp_path / "a" / "history.csv").unlink()
    (tmp_path / "a" / ".student.k3x9.part").mkdir()
    (tmp_path / "a" / ".own.part.txt").write_text("somebody's own")
    with whole_file(tmp_path / "a" / "live.json") as live:
        live.write_text("{}")
        clear_leftovers_in(tmp_path)
        assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted([".own.part.txt", live.name])
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and all("left by an interrupted command, removed" in line for line in said)


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
def test_an_output_never_replaces_what_is_no_file(tmp_path, kind):
    path = Path(os.devnull) if kind == "device" else tmp_path / "x"
    if kind != "device":
        (os.mkfifo if kind == "fifo" else os.mkdir)(path)
    with pytest.raises(InputError, match="a file is to be written there: name another one"), whole_file(path):
        pytest.fail("the block must not run")
    assert path.exists() and not path.is_file()
