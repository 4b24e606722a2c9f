"""A table trains what is missing, once; it goes on where it stopped; a failing row loses no other."""

import json
import os
import re

import pytest

import models
from evaluation import EvaluateConfig, evaluate
from models import registry
from studies.page import write_page
from studies.plan import choose, make_plan
from studies.records import Checksums, read_record, read_result
from studies.run import run_plan
from studies.table import collect_lines
from tests.private import found_in, private_words
from tests.studies.conftest import calls, change, run


def states(study):
    return {step.row.name: step.state for step in make_plan(study, choose(study), Checksums(), timing=False)}


def test_all_of_it_once(study, stand_ins):
    failures, plan = run(study)
    assert failures == {}
    assert {name: step.state for name, step in plan.items()} == {
        "big": "run", "small": "run", "sparse": "run", "same": "evaluate", "both": "evaluate",
    }  # fmt: skip
    first, second, third = calls(stand_ins)
    runs = study.runs / "tiny"
    assert re.search(r"^train --data \S+ --run (\S+) --seed 0 --evaluate false --stages \[teacher\]", first)
    assert f"--teacher-path {runs}/big/run/teacher/teacher.keras" in second and "--seed 1" in second
    assert third.startswith(f"compress prune {runs}/small/run/student/student.tflite --data")
    assert "--sparsity 0.5" in third
    lines = {line.row.name: line for line in collect_lines(study, study.tables["tiny"], Checksums())}
    assert list(lines) == ["big", "small", "sparse", "same", "both"]
    assert set(states(study).values()) == {"done"}
    record = read_record(study, study.row("tiny", "small"))
    assert record["state"] == "done" and record["seconds"] > 0 and record["attempts"] == 1
    assert record["command"].startswith("python train.py --data ")
    assert "epoch 1/1" in (runs / "small" / "log.txt").read_text()

    # Nothing is left to do, and nothing is done.
    assert run(study)[0] == {} and calls(stand_ins) == []


def test_results_are_those_of_the_artefacts(finished, tiny):
    study = finished
    paths = [study.artefact(study.row("tiny", name)) for name in ("big", "small", "sparse")]
    rows = evaluate(EvaluateConfig(paths, tiny.path, latency=False))["artefacts"]
    for name, expected in zip(("big", "small", "sparse"), rows):
        found = read_result(study, study.row("tiny", name))["row"]
        assert {key: found[key] for key in ("accuracy", "macro_f1_ci95", "bytes", "confusion")} == {
            key: expected[key] for key in ("accuracy", "macro_f1_ci95", "bytes", "confusion")
        }
    both = read_result(study, study.row("tiny", "both"))["row"]
    assert both["kind"] == "ensemble" and both["params"] == 400
    lines = {line.row.name: line for line in collect_lines(study, study.tables["tiny"], Checksums())}
    difference = lines["small"].difference["difference"]
    assert difference == pytest.approx(rows[1]["accuracy"] - rows[0]["accuracy"])
    assert lines["small"].of_baseline == pytest.approx(4 * rows[0]["params"] / rows[1]["bytes"])


def test_an_artefact_that_changed_is_evaluated_again_with_all_that_was_made_from_it(finished, stand_ins):
    study = finished
    small = study.artefact(study.row("tiny", "small"))
    small.write_bytes((stand_ins / "model0.tflite").read_bytes())
    assert states(study) == {"big": "done", "small": "run", "sparse": "run", "same": "evaluate", "both": "evaluate"}
    run(study)
    # What comes out is what was there before, so what was made from it still stands.
    assert [call.split()[0] for call in calls(stand_ins)] == ["train"]
    assert set(states(study).values()) == {"done"}


def test_another_teacher_has_its_students_trained_again(finished, config, stand_ins):
    study = change(config, "train: {stages: [teacher], teacher: vgg16}", "train: {stages: [teacher], seed: 1}")
    run(study)
    assert [call.split()[0] for call in calls(stand_ins)] == ["train", "train"]
    # Its student came out as it was, so what was made from that still stands.
    assert set(states(study).values()) == {"done"}


def test_settings_of_one_row_leave_the_others(finished, config, stand_ins):
    study = change(config, "{sparsity: [0.5]}", "{sparsity: [0.8]}")
    assert states(study) == {"big": "done", "small": "done", "sparse": "run", "same": "done", "both": "evaluate"}
    run(study)
    (call,) = calls(stand_ins)
    assert "--sparsity 0.8" in call and call.endswith("--overwrite")


def test_a_stale_or_torn_result_is_redone_without_training(finished, stand_ins):
    study = finished
    for name, field in (("big", "dataset_checksum"), ("small", "artefact_sha256"), ("sparse", "version")):
        file = study.folder(study.row("tiny", name)) / "result.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), field: "another", "row": {}}))
    assert states(study) == {
        "big": "evaluate",
        "small": "evaluate",
        "sparse": "evaluate",
        "same": "done",
        "both": "done",
    }
    run(study)
    assert calls(stand_ins) == [] and set(states(study).values()) == {"done"}
    assert read_result(study, study.row("tiny", "big"))["row"]["accuracy"] >= 0


def test_rows_that_need_nothing_of_each_other_train_side_by_side(config, stand_ins):
    """Each of the two stand-ins ends only once the other one runs; they share the cores."""
    row = (
        "{{model: A, artefact: student/student.tflite, train: {{stages: [student], student: mobilenet_v{}, seed: 1}}}}"
    )
    both = "".join(f"      {name}: {row.format(name[-1])}\n" for name in ("m1", "m2"))
    study = change(config, "      same: {", both + "      same: {")
    failures, _ = run(study, only=["m1", "m2"], jobs=2)
    assert failures == {}
    shares = [json.loads((stand_ins / f"mobilenet_v{number}").read_text()) for number in (1, 2)]
    cores = os.sched_getaffinity(0)
    # Every core is somebody's, and nobody's but his; where there is one core alone, both have it.
    assert {*shares[0], *shares[1]} == cores and len(shares[0]) + len(shares[1]) == max(2, len(cores))
    records = [read_record(study, study.row("tiny", name)) for name in ("m1", "m2")]
    assert [record["cores"] for record in records] == [len(share) for share in shares]
    assert all(record["cpu_seconds"] > 0 for record in records)


def test_side_by_side_a_row_still_waits_for_what_it_is_made_from(study, stand_ins):
    assert run(study, jobs=3)[0] == {}
    assert [call.split()[0] for call in calls(stand_ins)] == ["train", "train", "compress"]
    assert set(states(study).values()) == {"done"}


def test_side_by_side_a_failing_row_loses_only_what_is_made_from_it(config, stand_ins):
    study = change(config, "student-options: {width: 0.2}", "student: sononet_4")
    failures, _ = run(study, jobs=2)
    assert set(failures) == {"tiny/small", "tiny/sparse", "tiny/same", "tiny/both"}
    assert states(study)["big"] == "done"


def test_a_failing_row_loses_only_what_is_made_from_it(config, stand_ins):
    study = change(config, "student-options: {width: 0.2}", "student: sononet_4")
    failures, _ = run(study)
    assert set(failures) == {"tiny/small", "tiny/sparse", "tiny/same", "tiny/both"}
    assert failures["tiny/small"].endswith("ended with code 2: --student sononet_4: the disk is full")
    assert failures["tiny/sparse"] == "needs tiny/small, which failed"
    assert [line.row.name for line in collect_lines(study, study.tables["tiny"], Checksums())] == ["big"]
    assert read_record(study, study.row("tiny", "small"))["state"] == "failed"

    # Put right, it goes on from there.
    calls(stand_ins)
    study = change(config, "student: sononet_4", "student-options: {width: 0.3}")
    assert run(study)[0] == {}
    assert [call.split()[0] for call in calls(stand_ins)] == ["train", "compress"]


def test_a_crash_is_reported_by_its_last_line(config, stand_ins):
    study = change(config, "student-options: {width: 0.2}", "student: sononet_8")
    failures, _ = run(study, only=["small"])
    assert failures == {"tiny/small": failures["tiny/small"]}
    assert failures["tiny/small"].endswith("ended with code 1: KeyError: 'a traceback'")


def test_nothing_that_is_kept_names_a_folder_of_this_machine(config, stand_ins, tiny, tmp_path, monkeypatch):
    """All paths are absolute, and the working directory is another one; a traceback names files too."""
    ward = tmp_path / "ward 3"
    ward.mkdir()
    (ward / "data").symlink_to(tiny.path)
    change(config, "runs: runs", f"runs: {ward / 'runs'}")
    change(config, "{path: data}", f"{{path: {ward / 'data'}}}")
    study = change(config, "student-options: {width: 0.2}", "student: sononet_8")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    failures, plan = run(study)
    assert set(failures) == {"tiny/small", "tiny/sparse", "tiny/same", "tiny/both"}
    lines = collect_lines(study, study.tables["tiny"], Checksums())
    page = write_page(study, {"tiny": lines}, list(plan.values()), failures, "python study.py table")
    (study.runs / "page.md").write_text(page)
    record = read_record(study, study.row("tiny", "big"))
    assert record["command"].startswith("python train.py --data '…/data' --run ")
    assert "Traceback" in (study.folder(study.row("tiny", "small")) / "log.txt").read_text()
    assert found_in(study.runs, [b"ward 3", *private_words(tmp_path)]) == []
    # The stored command is no longer the whole one, and still the row is known again.
    assert states(study)["big"] == "done"


def test_time_of_an_interrupted_row_adds_up(study, stand_ins, monkeypatch):
    import studies.run

    stream = studies.run.stream

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(studies.run, "stream", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(study, only=["big"])
    row = study.row("tiny", "big")
    before = read_record(study, row)
    assert before["state"] == "interrupted" and states(study)["big"] == "run"
    monkeypatch.setattr(studies.run, "stream", stream)
    assert run(study, only=["big"])[0] == {}
    after = read_record(study, row)
    assert (after["attempts"], after["state"]) == (2, "done") and after["seconds"] > before["seconds"]


def test_wrong_flags_are_refused_before_anything_is_trained(config, stand_ins):
    study = change(config, "distil.epochs: 3", "distil.eras: 3")
    failures, plan = run(study)
    assert plan["small"].state == "refused" and "distil.eras" in plan["small"].reason
    assert [call.split()[0] for call in calls(stand_ins)] == ["train"]  # big alone
    assert set(failures) == {"tiny/small", "tiny/sparse", "tiny/same", "tiny/both"}
    study = change(config, "distil.eras: 3", "student: mobilenet_v9")
    assert "mobilenet_v9" in run(study)[1]["small"].reason


def test_what_was_not_timed_is_timed_later_and_again_when_asked(finished, stand_ins):
    def latencies() -> dict:
        return {row.name: read_result(finished, row)["row"]["latency_ms"]["median"] for row in finished.rows()}

    def go_on(**options):
        sums = Checksums()
        assert run_plan(finished, make_plan(finished, choose(finished, only=["small"]), sums), sums, **options) == {}

    assert set(latencies().values()) == {None}
    go_on(latency=True)
    assert latencies()["small"] > 0 and latencies()["big"] > 0 and latencies()["sparse"] is None
    file = finished.folder(finished.row("tiny", "small")) / "result.json"
    kept = file.read_bytes()
    go_on(latency=True)
    assert file.read_bytes() == kept
    file.write_text(json.dumps({**json.loads(kept), "date": "1999-01-01"}))
    go_on(latency=True, retime=True)
    assert "1999" not in file.read_text() and calls(stand_ins) == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("{width: 0.2}", "{width: -1}", "width"),
        (
            "distil.epochs: 3",
            "loss.attention_taps: [stride5]",
            "squeezenet_1_1 has no tap 'stride5'",
        ),
        ("distil.epochs: 3", "loss.alpha: 2", "alpha"),
    ],
)
def test_what_a_model_refuses_is_known_before_anything_is_trained(config, stand_ins, monkeypatch, old, new, reason):
    monkeypatch.setattr(models, "outline", registry.outline)
    change(config, "[teacher], teacher: vgg16", "[teacher], teacher: sononet_16")  # 16×24 frames are enough for it
    study = change(config, old, new)
    plan = {step.row.name: step for step in make_plan(study, choose(study), Checksums(), timing=False)}
    assert plan["big"].state == "run"
    assert plan["small"].state == "refused" and reason in plan["small"].reason
    assert plan["both"].state == "refused" and calls(stand_ins) == []


def test_only_brings_what_it_needs(study, stand_ins):
    _, plan = run(study, only=["tiny/sparse"])
    assert list(plan) == ["big", "small", "sparse"]
    assert [call.split()[0] for call in calls(stand_ins)] == ["train", "train", "compress"]


def test_hours(study, stand_ins, monkeypatch):
    """Estimates: 12 labelled of 16 training frames, 1 ms each by the stand-in, times epochs; too long is left out."""
    _, plan = run(study, max_hours=1e-6)
    assert calls(stand_ins) == []
    assert plan["big"].seconds == pytest.approx(40 + 24 * 12 * 1e-3)
    assert plan["small"].seconds == pytest.approx(40 + 3 * 16 * 2e-3)  # the student's step and the teacher's answer
    assert states(study)["big"] == "run"
    _, plan = run(study, max_hours=1)
    assert len(calls(stand_ins)) == 3


def test_finished_rows_correct_the_estimate(study, stand_ins):
    run(study, only=["big"])
    file = study.folder(study.row("tiny", "big")) / "row.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "seconds": 3 * record["unscaled_estimate_s"]}))
    step = make_plan(study, choose(study, only=["small"]), Checksums())[-1]
    assert step.seconds == pytest.approx(40 + 3 * (3 * 16 * 2e-3))
    assert step.unscaled_s == pytest.approx(40 + 3 * 16 * 2e-3)


def test_a_missing_variable_or_data_set_makes_a_row_absent(config, stand_ins, monkeypatch):
    monkeypatch.delenv("SOME_WEIGHTS", raising=False)
    study = change(config, "teacher: vgg16}", 'teacher: vgg16, teacher-path: "${SOME_WEIGHTS}/x.keras"}')
    failures, plan = run(study)
    assert failures == {} and calls(stand_ins) == []
    assert plan["big"].reason == "the environment variable SOME_WEIGHTS is not set"
    assert {step.state for step in plan.values()} == {"absent"}
    change(config, ', teacher-path: "${SOME_WEIGHTS}/x.keras"}', "}")
    change(config, "datasets:\n", "datasets:\n  gone: {path: /no/such/folder}\n")
    study = change(config, "same: {", "same: {data: gone, ")
    assert "there is no data set /no/such/folder" in run(study)[1]["same"].reason
