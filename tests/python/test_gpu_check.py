"""scripts/gpu-check by its dry run, which needs no GPU, by programs that hang and fail, and by what tools print."""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest
from program import PROGRAM

ROOT = pathlib.Path(__file__).resolve().parents[2]
REAL = pathlib.Path(PROGRAM).resolve()
BUILD = REAL.parent
SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(SCRIPTS))

import gpu_steps  # noqa: E402


def gpu_check(*arguments, **named):
    return subprocess.run([SCRIPTS / "gpu-check", *map(str, arguments)], capture_output=True, text=True, timeout=900,
                          check=False, **named)


def dry_run(report, *arguments, build=BUILD):
    process = gpu_check("--dry-run", "--build", build, *arguments, report)
    return process, report.read_text(), json.loads(report.with_suffix(".json").read_text())


def states(found):
    return {f"{step['group']}: {step['title']}": step["state"] for step in found["steps"]}


def stand_in(folder, body):
    """A build whose program describes this machine as the real one does; for anything else it does what `body` says."""
    program = folder / "stampede"
    folder.mkdir()
    program.write_text(f'#!/bin/sh\nif [ "$1" = info ]; then exec "{REAL}" "$@"; fi\n{body}\n')
    program.chmod(0o755)
    return folder


# ------------------------------------------------------------------------------------------ gpu-check


def test_a_dry_run_takes_every_step(tmp_path):
    process, text, found = dry_run(tmp_path / "dry.md")
    assert process.returncode == 0, process.stdout + process.stderr
    assert text.startswith("# Dry run of the GPU check") and found["title"] in text
    # What is worth most comes first.
    groups = list(dict.fromkeys(step["group"] for step in found["steps"]))
    assert groups == ["Runs", "Tests", "Parity", "Physics", "Training speed", "Throughput", "Trainings", "Determinism",
                      "Step kernel", "Stalls", "compute-sanitizer", "Robustness", "MuJoCo MJX"]
    for name, state in states(found).items():
        group = name.split(":")[0]
        if group in ("Stalls", "compute-sanitizer"):
            assert state == "skipped", name
        elif group == "Tests":
            assert state == ("ok" if (BUILD / "tests/cuda_tests").is_file() else "skipped"), name
        else:
            assert state == "ok" or (group == "MuJoCo MJX" and state == "skipped"), name
        assert name in text, name
    # The plan is what runs on a GPU, at full size.
    plan = [line for line in process.stdout.splitlines() if line.startswith("plan:     ")]
    assert any("--num-envs 262144" in line and "--device cuda" in line for line in plan)
    assert any("ncu" in line and "--clock-control none" in line for line in plan)
    assert all(word not in process.stdout for word in ("--lock", "persistence"))
    # Both CUDA modules, with the same words but for the folder of modules.
    both = [step for step in found["steps"] if step["group"] == "Step kernel"]
    assert len(both) == 2 * 4
    for step in both:
        two, three = step["commands"]
        assert three == "env STAMPEDE_MODULES=$WORK/three-blocks " + two
        speeds = [result["steps_per_second"] for result in step["results"]]
        assert step["row"]["three / two"] == f"{speeds[1] / speeds[0]:.3f}"
    assert "| step | robot | scene | robots | two blocks, M steps/s | three blocks, M steps/s | three / two |" in text
    # Measured beside predicted: what the model's page says, in its own words.
    page = gpu_steps.MODEL.read_text()
    for scene in gpu_steps.SCENES:
        rows = [step["row"] for step in found["steps"] if step["group"] == "Physics" and step["row"]["scene"] == scene]
        few, full = (row["model"] for row in rows if row["robot"] == "go2")
        assert re.search(rf"^\| {scene} \| .* \| \*\*{full}\*\* \| .* \| {few} \|$", page, re.MULTILINE), scene
        assert full > few > 0
    assert "| step | robot | scene | robots | M steps/s | model |" in text
    assert "of commit " + re.search(r"commit \| (\w+)", page)[1] in text
    speeds = [step for step in found["steps"] if step["group"] == "Training speed"]
    predicted = {}
    for step in speeds:
        row = step["row"]
        predicted.setdefault(row["networks"], []).append(row["model"] != "")
        if row["model"] == "":
            continue
        numbers = rf"{row['model of physics']:.2f} \| .* \| {row['model, ms']:.2f} \| {row['model']}"
        envs = int(step["title"].split()[1])
        assert re.search(rf"^\| {envs} \| {row['minibatch']} \| .* \| {numbers} \|$", page, re.MULTILINE), row
    assert any(predicted["128-64-32"]) and not any(predicted["512-256-128"])
    assert {step["row"]["networks"] for step in speeds} == {"128-64-32", "512-256-128"}
    assert all(step["results"][0]["steps_per_second"] > 0 for step in speeds)


def test_the_second_cuda_module_takes_the_firsts_place(tmp_path):
    """Beside the processors' modules; without it the step is skipped, unless nothing of a GPU is run."""
    (tmp_path / "modules").mkdir()
    for file in ("stampede", "modules/libstampede-cuda.so", "modules/libstampede-cpu-avx2.so"):
        (tmp_path / file).write_text(file)

    def steps(dry):
        place = gpu_steps.Place(tmp_path, False)
        (tmp_path / "work").mkdir(exist_ok=True)
        every = gpu_steps.Steps(place, gpu_steps.Model(gpu_steps.MODEL), tmp_path / "work", "cuda", dry)
        return [step for step in every if step.group == "Step kernel"]

    assert {step.missing() for step in steps(True)} == {""}
    assert {step.missing() for step in steps(False)} == {
        "there is no CUDA module with three blocks (-DSTAMPEDE_CUDA_THREE_BLOCKS=ON)"}
    shutil.rmtree(tmp_path / "work")
    (tmp_path / "modules/three-blocks").mkdir()
    (tmp_path / "modules/three-blocks/libstampede-cuda.so").write_text("three")
    both = steps(False)
    assert {step.missing() for step in both} == {""}
    scenes = [step.commands[0][step.commands[0].index("--scene") + 1] for step in both]
    assert scenes == ["trot", "standing", "random", "terrain"] * 2
    folder = tmp_path / "work/three-blocks"
    assert {f"STAMPEDE_MODULES={folder}"} == {step.commands[1][1] for step in both}
    assert {file.name: file.read_text() for file in folder.iterdir()} == {
        "libstampede-cuda.so": "three", "libstampede-cpu-avx2.so": "modules/libstampede-cpu-avx2.so"}


@pytest.mark.parametrize("old, new, says", [
    ("", None, "cannot be read (No such file or directory): scripts/gpu-model writes it"),
    ("| trot |", "| trott |", "has not the scene trot"),
    ("million control steps/s", "control steps/s", "has not a column 'million control steps/s'"),
    ("hidden layers 128", "layers 128", "has not hidden layers"),
])
def test_a_model_page_that_is_not_as_it_should_be_is_one_line(old, new, says, tmp_path):
    page = tmp_path / "gpu-model.md"
    if new is not None:
        text = gpu_steps.MODEL.read_text()
        assert old in text
        page.write_text(text.replace(old, new))
    with pytest.raises(gpu_steps.Unusable) as problem:
        gpu_steps.Model(page)
    assert says in str(problem.value) and "\n" not in str(problem.value)


def test_no_step_begins_that_does_not_fit(tmp_path):
    process, text, found = dry_run(tmp_path / "dry.md", "--budget", "3")
    assert process.returncode == 0, process.stderr
    assert set(states(found).values()) == {"not begun"}
    assert "not begun: no time: it takes 30 s" in text


def test_a_program_that_hangs_is_stopped_with_the_budget(tmp_path):
    build = stand_in(tmp_path / "build", f"sleep 60 & echo $! > {tmp_path}/child; wait")
    process, text, found = dry_run(tmp_path / "dry.md", "--budget", "4.5", build=build)
    assert process.returncode == 0, process.stderr
    first, *others = found["steps"]
    assert (first["state"], first["reason"]) == ("stopped", "the budget was spent")
    assert 4 < first["seconds"] < 20
    assert {step["state"] for step in others} == {"not begun"}
    assert "stopped: the budget was spent" in text
    child = int((tmp_path / "child").read_text())
    # It is gone, or dead and not yet waited for.
    status = pathlib.Path(f"/proc/{child}/stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"


def test_a_step_that_fails_is_told_and_the_rest_goes_on(tmp_path):
    build = stand_in(tmp_path / "build", f'if [ "$1" = train ]; then echo broken >&2; exit 1; fi; exec "{REAL}" "$@"')
    process, text, found = dry_run(tmp_path / "dry.md", "--budget", "12", build=build)
    assert process.returncode == 1
    assert process.stderr.startswith("gpu-check: error: ") and "of the steps failed" in process.stderr
    result = states(found)
    assert result["Runs: a pendulum learns to swing up"] == "failed"
    assert result["Parity: go2-flat's policy, judged on both processors"] == "ok"
    assert "failed: status 1" in text and "broken" in text


def test_what_was_found_is_there_when_it_is_ended(tmp_path):
    build = stand_in(tmp_path / "build", "sleep 60")
    report = tmp_path / "new" / "dry.md"
    process = subprocess.Popen([SCRIPTS / "gpu-check", "--dry-run", "--budget", "60", "--build", build, report],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("plan: MuJoCo MJX: go2, trot, few"):
            break
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and "stopped; what was found until then" in said
    assert json.loads(report.with_suffix(".json").read_text())["steps"] == []
    assert report.read_text().startswith("# Dry run")
    assert sorted(path.name for path in report.parent.iterdir()) == ["dry.json", "dry.md"]


@pytest.mark.parametrize("arguments, says", [
    (["--budget", "soon"], "'soon' is no number of seconds above 0"),
    (["--budget", "0"], "'0' is no number of seconds above 0"),
    (["--budget", "-5"], "'-5' is no number of seconds above 0"),
    (["--budget", "nan"], "'nan' is no number of seconds"),
    (["--budget", "inf"], "'inf' is no number of seconds"),
    (["--budget"], "--budget"),
    (["--fast"], "--fast"),
    (["one.md", "two.md"], "two.md"),
    (["report.txt"], "must be named FILE.md"),
    (["--pack", "nowhere"], "--pack nowhere: there is no such folder"),
    (["--pack", "."], "is no pack: scripts/gpu-pack makes run"),
    (["--build", "nowhere"], "--build nowhere: there is no such folder"),
    (["--build", "."], "is no build: cmake --build makes stampede"),
    (["--build", ".", "--pack", "."], "not allowed with"),
])
def test_gpu_check_refuses_in_one_line(arguments, says, tmp_path):
    process = gpu_check(*arguments, cwd=tmp_path)
    assert process.returncode == 2, process.stderr
    assert process.stdout == "" and process.stderr.count("\n") == 1, process.stderr
    assert process.stderr.startswith("gpu-check: error: ") and says in process.stderr, process.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there may be a GPU")
def test_without_a_gpu_it_says_so(tmp_path):
    process = gpu_check("--build", BUILD, tmp_path / "gpu.md")
    assert process.returncode == 2 and process.stderr.count("\n") == 1, process.stderr
    assert process.stderr.startswith("gpu-check: error: no GPU that the program can use: "), process.stderr
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------ how results are read


def outputs(*texts):
    return [gpu_steps.Output(text if isinstance(text, str) else json.dumps(text), "") for text in texts]


def evaluation(mean, device="cuda"):
    return {"device": device, "return_mean": mean, "return_std": 0.5, "episodes": 100, "tracking_error_linear": 0.1,
            "fall_rate": 0.0}


def test_evaluations_may_differ_by_chance_only():
    row = gpu_steps.read_evaluations(outputs(evaluation(13.6), evaluation(13.7, "cpu")))
    assert row["devices"] == "cuda and cpu" and row["returns"] == "13.6 and 13.7"
    for other in (13.9, float("nan")):
        with pytest.raises(gpu_steps.Wrong, match="returns are 13.6 and"):
            gpu_steps.read_evaluations(outputs(evaluation(13.6), evaluation(other)))


def test_tests_that_are_skipped_or_fail_are_told():
    ran = "[       OK ] Backend.A (12 ms)\n[       OK ] Mlp.B (2500 ms)\n"
    assert gpu_steps.read_tests(outputs(ran)) == {"passed": 2, "slowest": "Mlp.B, 2.5 s"}
    for word, says in (("FAILED ", "failed: Mlp.C;"), ("SKIPPED", "skipped: Mlp.C")):
        with pytest.raises(gpu_steps.Wrong, match=says):
            gpu_steps.read_tests(outputs(f"{ran}[  {word} ] Mlp.C (3 ms)\n"))
    with pytest.raises(gpu_steps.Wrong, match="0 passed"):
        gpu_steps.read_tests(outputs("[  SKIPPED ] no GPU: no CUDA-capable device is detected\n"))


def test_each_pattern_must_name_a_test():
    listed = outputs("Backend.\n  Sums\n  Copies\nMlp.\n  Forward\n")
    assert gpu_steps.read_listed_tests(listed, ["Backend.*", "Mlp.Forward"]) == {"listed": 3}
    with pytest.raises(gpu_steps.Wrong, match="no test is called Mlp.Backward"):
        gpu_steps.read_listed_tests(listed, ["Backend.*", "Mlp.Backward"])


def test_nonfinite_states_and_poor_returns_are_failures():
    result = {"seed": 1, "return_mean": -150.0, "steps_per_second": 2e6, "seconds_train": 1.0, "seconds_total": 2.0,
              "nonfinite": 0, "contacts_over_slots": 0}
    assert gpu_steps.read_training(outputs(result), -200)["return"] == "-150"
    nan = float("nan")
    for change in ({"return_mean": -300.0}, {"return_mean": nan}, {"nonfinite": 3}, {"contacts_over_slots": 1}):
        with pytest.raises(gpu_steps.Wrong):
            gpu_steps.read_training(outputs({**result, **change}), -200)
    with pytest.raises(gpu_steps.Wrong, match="no JSON"):
        gpu_steps.read_training(outputs("Segmentation fault"), -200)


def test_modules_that_compute_something_else_are_told():
    two = {"robot": "go2", "scene": "trot", "num_envs": 4096, "steps_per_second": 2e8, "contacts_mean": 2.79, "nonfinite": 0,
           "contacts_over_slots": 0}
    row = gpu_steps.read_blocks(outputs(two, {**two, "steps_per_second": 2.5e8, "contacts_mean": 2.81}))
    assert row == {"robot": "go2", "scene": "trot", "robots": 4096, "two blocks, M steps/s": "200",
                   "three blocks, M steps/s": "250", "three / two": "1.250"}
    for change, says in (({"contacts_mean": 2.6}, "has 2.60 contacts, with two 2.79"),
                         ({"contacts_mean": float("nan")}, "has nan contacts"), ({"nonfinite": 1}, "nonfinite is 1")):
        with pytest.raises(gpu_steps.Wrong, match=says):
            gpu_steps.read_blocks(outputs(two, {**two, **change}))


def test_runs_that_differ_in_one_byte_are_told(tmp_path):
    for name in "ab":
        (tmp_path / name / "checkpoint").mkdir(parents=True)
        (tmp_path / name / "policy.safetensors").write_bytes(b"policy")
        for checkpoint in ("000000001", "000000002"):
            (tmp_path / name / "checkpoint" / f"{checkpoint}.safetensors").write_bytes(checkpoint.encode())
    folders = [str(tmp_path / name) for name in "ab"]
    assert set(gpu_steps.read_same([], folders)) == {"policy", "last checkpoint"}
    (tmp_path / "b" / "checkpoint" / "000000002.safetensors").write_bytes(b"000000003")
    with pytest.raises(gpu_steps.Wrong, match="differ"):
        gpu_steps.read_same([], folders)


def test_reasons_for_stalls_are_found_in_the_profilers_page():
    stall = "smsp__average_warps_issue_stalled_{}_per_issue_active.ratio"
    names = ["ID", "Kernel Name", *map(stall.format, ("short_scoreboard", "no_instruction", "branch_resolving")),
             "sm__inst_executed.avg.per_cycle_active", "sm__warps_active.avg.pct_of_peak_sustained_active",
             "launch__registers_per_thread"]
    quoted = [",".join(f'"{cell}"' for cell in row) for row in (
        names, ["", "", "inst", "inst", "inst", "inst/cycle", "%", "register/thread"],
        ["0", "run_elements<StepPhysics<4, 3>>(...)", "0.75", "1.50", "0.00", "2.31", "12.4", "254"])]
    page = "==PROF== Connected to process 7\n" + "\n".join(quoted) + "\n"
    row = gpu_steps.read_ncu(outputs(page), "StepPhysics")
    assert row["warps stalled"] == "no_instruction 1.50, short_scoreboard 0.75"
    assert (row["instructions a cycle"], row["registers"], row["warps active, %"]) == ("2.31", "254", "12")
    assert row["metrics"]["Kernel Name"].startswith("run_elements")
    with pytest.raises(gpu_steps.Wrong, match="saw no kernel called FinishStep"):
        gpu_steps.read_ncu(outputs("==WARNING== No kernels were profiled.\n"), "FinishStep")
