"""A command ends with the right code and one line, and file-system errors come with their cure."""

import errno
import gc
import os
import pickle
import re

import pytest
import tensorflow as tf

from common.errors import InputError, disk_errors, in_words, run_command


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("  no such layer:\n\n  conv1 "), "no such layer: conv1"),
        (OSError(errno.ENOENT, "No such file", "/a/file"), "No such file"),
        (OSError("HDF5 has no number"), "HDF5 has no number"),
        (RuntimeError(), "RuntimeError"),
        (ValueError(" \n"), "ValueError"),
        (ValueError("x" * 300), "x" * 200),
    ],
)
def test_an_error_in_words_is_one_line_and_never_empty(error, words):
    assert in_words(error) == words


def fail(error):
    def main(argv):
        raise error

    return main


def test_exit_codes_of_a_command_that_ends_well():
    assert run_command(lambda argv: None, []) == 0
    assert run_command(lambda argv: 0, []) == 0
    assert run_command(lambda argv: 3, []) == 3


def test_flags_are_handed_on_without_debug():
    seen = []
    run_command(seen.extend, ["a", "--debug", "--flag", "b"])
    assert seen == ["a", "--flag", "b"]


def test_a_process_that_ends_with_its_command_looks_for_no_garbage(monkeypatch):
    """Where a command is called by other code, what comes after it needs its garbage collected."""
    at_exit = []
    monkeypatch.setattr("atexit.register", at_exit.append)
    monkeypatch.setattr("sys.argv", ["train.py", "a"])
    run_command(lambda argv: None, [])
    assert at_exit == []
    seen = []
    run_command(seen.extend)
    assert seen == ["a"] and at_exit == [gc.freeze]


def test_bad_input_is_one_line_and_code_2(capsys):
    assert run_command(fail(InputError("file.csv:\n  row 3:\tfound x")), []) == 2
    assert capsys.readouterr() == ("", "error: file.csv: row 3: found x\n")


def test_a_nested_parameter_keeps_its_name_in_the_flag(capsys):
    def fail(argv):
        raise InputError("a share", parameter="loss.gaze_uniform_share")

    assert run_command(fail, []) == 2
    assert capsys.readouterr().err == "error: a share (--loss.gaze_uniform_share)\n"


def test_a_command_names_the_flag_of_the_parameter_that_is_the_cure(capsys):
    error = InputError("graph: reads files: load it with trust_it=True", parameter="trust_it")
    assert run_command(fail(error), []) == 2
    assert capsys.readouterr().err == "error: graph: reads files: load it with trust_it=True (--trust-it)\n"
    assert str(error) == "graph: reads files: load it with trust_it=True", "the library's own words have no flag"
    assert pickle.loads(pickle.dumps(error)).parameter == "trust_it", "workers hand errors over"


def test_debug_shows_the_traceback_and_still_the_line(capsys):
    assert run_command(fail(InputError("wrong")), ["--debug"]) == 2
    text = capsys.readouterr().err
    assert "Traceback (most recent call last)" in text and text.endswith("error: wrong\n")


def test_an_interrupt_is_130_and_a_fault_of_the_program_is_not_hidden(capsys):
    assert run_command(fail(KeyboardInterrupt()), []) == 130
    assert "interrupted" in capsys.readouterr().err
    for fault in (KeyError("k"), ValueError("v"), RuntimeError("r")):
        with pytest.raises(type(fault)):
            run_command(fail(fault), [])


def test_help_exits_as_it_always_does():
    with pytest.raises(SystemExit):
        run_command(fail(SystemExit(0)), [])


@pytest.mark.parametrize(
    "code, cure",
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EPERM, "not permitted"),
        (errno.ENOENT, "no such file"),
        (errno.EEXIST, "in the way"),
        (errno.ENOTDIR, "a part of the path is a file"),
        (errno.EISDIR, "this is a folder"),
    ],
)
def test_a_file_system_error_names_the_file_and_the_cure(capsys, code, cure):
    assert run_command(fail(OSError(code, "text", "some/file.tfrecord")), []) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: some/file.tfrecord: ") and cure in line and line.count("\n") == 1


@pytest.mark.parametrize(
    "file, named",
    [
        ("out/.data.lock", "out"),
        (".data.lock", "."),
        ("/.data.lock", "/"),
        ("/runs/.data.x1y2.part/train-0.tfrecord", "/runs"),
        ("runs/.student.host-12.part.tflite", "runs"),
        ("runs/.data.x1y2.old", "runs"),
        ("my.lock", "my.lock"),
        (".hidden/data.csv", ".hidden/data.csv"),
    ],
)
def test_a_file_that_nobody_asked_for_is_not_named_but_its_folder(file, named):
    with pytest.raises(InputError, match=f"^{re.escape(named)}: permission denied"), disk_errors("the place"):
        raise PermissionError(errno.EACCES, "Permission denied", file)


def test_an_error_without_a_file_names_what_was_being_written():
    with pytest.raises(InputError, match="the place: the disk is full"), disk_errors("the place"):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "text, cure",
    [
        ("x; No space left on device", "disk is full"),
        ("x; Read-only file system", "read-only"),
        ("x; Permission denied", "permission denied"),
    ],
)
def test_tensorflows_words_for_the_same_are_understood(text, cure):
    with pytest.raises(InputError, match=f"^/in/x: .*{cure}"), disk_errors("the place"):
        raise tf.errors.UnknownError(None, None, f"{{{{node}}}} /in/{text} [Op:IteratorGetNext]")
    with pytest.raises(InputError, match=f"the place: .*{cure}"), disk_errors("the place"):
        raise tf.errors.UnknownError(None, None, text.removeprefix("x; "))


def test_an_input_that_can_not_be_read_is_not_called_the_output(tmp_path):
    words = f"Unable to open file (name = '{tmp_path}/in.h5', errno = 13, error message = 'Permission denied')"
    with pytest.raises(InputError, match=rf"^{tmp_path}/in\.h5: permission denied"), disk_errors("the output folder"):
        raise OSError(words)


def test_other_errors_pass_unchanged():
    for error in (
        OSError(errno.EBUSY, "busy"),
        ZeroDivisionError(),
        tf.errors.InvalidArgumentError(None, None, "shapes"),
        ValueError("no space left on device"),  # only words in an error of another kind
        InputError("kept"),
    ):
        with pytest.raises(type(error)) as caught, disk_errors("the place"):
            raise error
        assert caught.value is error


def test_a_file_that_is_really_missing(tmp_path, capsys):
    def main(argv):
        (tmp_path / "missing.csv").read_text()

    assert run_command(main, []) == 2
    assert f"{tmp_path}/missing.csv: there is no such file or folder" in capsys.readouterr().err


def test_a_name_that_is_no_utf8_is_one_line(tmp_path, capsys, monkeypatch):
    odd = os.fsdecode(b"odd\xff")
    assert run_command(lambda argv: 0, [odd]) == 2
    assert capsys.readouterr().err == "error: 'odd\\udcff': the name is no UTF-8: rename the file or folder\n"
    (tmp_path / odd).mkdir()
    monkeypatch.chdir(tmp_path / odd)
    assert run_command(lambda argv: 0, []) == 2
    assert "the name is no UTF-8" in capsys.readouterr().err
