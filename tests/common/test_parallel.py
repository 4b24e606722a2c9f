"""Many items in processes: the order of `map`, its first error, and an end that leaves nothing running."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from common.errors import InputError
from common.parallel import map_in_order


def late_square(n):
    """The first items take longest, so that results come out of order."""
    time.sleep(0.02 * max(0, 5 - n))
    if n in (6, 8):
        raise InputError(f"item {n} is wrong")
    return n * n


def die(n):
    if n == 1:
        os._exit(9)
    return n


def test_results_and_the_first_error_are_those_of_map():
    assert list(map_in_order(late_square, range(6), 2)) == [n * n for n in range(6)]
    found = []
    with pytest.raises(InputError, match="item 6 is wrong"):
        found.extend(map_in_order(late_square, range(9), 2))
    assert not multiprocessing.active_children()


def test_a_process_that_was_killed_is_one_line():
    with pytest.raises(InputError, match=r"ended from outside.*fewer jobs"):
        list(map_in_order(die, range(3), 2))


# One write for each worker: what two processes print to one pipe may be mixed where Python does not buffer it.
INTERRUPTED = """
import os
import time
from common.parallel import map_in_order

def wait(n):
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(60)

if __name__ == "__main__":
    list(map_in_order(wait, range(4), 2))
"""


def test_ctrl_c_ends_every_process_at_once_and_only_the_first_says_so(tmp_path):
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    workers = [int(process.stdout.readline()) for _ in range(2)]
    # As a terminal does: to the whole group.
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode != 0 and errors.count("KeyboardInterrupt") == 1
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
