"""The command line: what it says, and how it refuses."""

import json
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import time

import program
import pytest
from program import refused, run, run_json


WALKING = str(pathlib.Path(__file__).resolve().parents[2] / "policies" / "go2-flat" / "policy.onnx")
SMALL = ["--task", "pendulum", "--num-envs", "256", "--set", "train.horizon=16"]  # some milliseconds an iteration


def tree(folder):
    """Every file below `folder` with its bytes."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def copy_of(run_folder, to):
    shutil.copytree(run_folder, to)
    return to


def newest_checkpoint(folder):
    return sorted((folder / "checkpoint").glob("*.safetensors"))[-1]


def test_list_names_everything():
    said = run_json("list")
    assert set(said["tasks"]) >= {"pendulum", "cartpole-swingup", "double-pendulum"}
    assert said["algorithms"] == ["reinforce", "reinforce-baseline", "actor-critic", "ppo", "online", "dagger", "bc"]
    assert "default" in said["presets"]
    assert set(said["robots"]) >= {"solo12", "go2", "anymal_c", "bolt", "hexapod", "cartpole", "double_pendulum"}
    assert {"limbs": 4, "joints": 3} in said["robot_sizes"]
    assert {"rough", "stairs-up", "gap"} <= set(said["terrain"])
    assert said["command"] == "list"


def test_info_says_why_there_is_no_gpu():
    said = run_json("info")
    devices = {device["device"]: device for device in said["devices"]}
    assert devices["cpu"]["usable"] and devices["cpu"]["instruction_sets"]
    assert devices["cuda"]["usable"] or devices["cuda"]["reason"]
    assert said["libraries"]["tomlplusplus"]


@pytest.mark.parametrize("command", ["", "list", "info", "train", "eval", "export", "record", "pipeline", "bench", "bench env", "bench train", "bench busy"])
def test_help_has_an_example(command):
    process = run(*command.split(), "--help")
    assert process.returncode == 0
    assert process.stderr == ""
    assert "Example:\n  stampede" in process.stdout


def test_train_says_what_it_did(trained):
    folder, said = trained
    keys = """task algo seed num_envs steps iterations seconds_train steps_per_second return_mean return_std episodes run
              policy_onnx policy_safetensors nonfinite contacts_over_slots""".split()
    assert not [key for key in keys if key not in said]
    assert said["command"] == "train"
    assert said["run"] == str(folder)
    assert os.path.exists(said["policy_onnx"]) and os.path.exists(said["policy_safetensors"])
    assert 0 < said["seconds_train"] < said["seconds_total"]


def test_bench_commands_have_their_keys():
    said = run_json("bench", "env", "--task", "pendulum", "--num-envs", 4096, "--seconds", 0.2)
    assert said["command"] == "bench env"
    assert said["steps"] > 0 and said["steps_per_second"] > 0
    assert said["steps_per_second_per_core"] == pytest.approx(said["steps_per_second"] / said["threads"])
    said = run_json("bench", "train", "--task", "pendulum", "--seconds", 0.3)
    shares = said["share_physics"] + said["share_inference"] + said["share_update"]
    assert 0 < shares <= 1.0001
    assert said["share_constraints"] == 0
    assert said["update_gflops"] > 0


def test_bench_busy_holds_the_time_against_the_share(tmp_path):
    said = run_json("bench", "busy", *SMALL, "--iterations", 2, "--repetitions", 2, "--threads", 2, cwd=tmp_path)
    assert said["command"] == "bench busy" and said["task"] == "pendulum" and said["repetitions"] == 2
    cores = said["cores"]
    alone, *others = said["cases"]
    assert (alone["name"], alone["share"], alone["ratio"], alone["ratio_spinning"]) == ("alone", 1, 1, 1)
    beside = [case for case in others if case["quota"] is None]
    assert [case["busy_per_core"] for case in beside] == [1, 2]
    for case in beside:
        fair = min(1, cores / (2 + case["busy_per_core"] * cores)) / min(1, cores / 2)
        assert case["share"] == pytest.approx(fair)
    quota = [case for case in others if case["quota"] is not None]
    assert len(quota) == 1 or said["no_quota"]
    for case in quota:
        assert case["quota"] == 1.5 and case["share"] == pytest.approx(min(1, 1.5 / min(2, cores)))
    for case in others:
        assert len(case["seconds_of_runs"]) == 2 and case["processor_seconds"] > 0
        assert case["ratio"] == pytest.approx(case["seconds"] / alone["seconds"] * case["share"])
        assert case["ratio_spinning"] == pytest.approx(case["seconds"] / alone["seconds"] * case["share_spinning"])
    assert said["ratio_max"] == max(case["ratio"] for case in said["cases"])
    assert not tree(tmp_path), "a run was left behind"


@pytest.mark.parametrize(
    "arguments, parts",
    [
        (["bench", "busy", "--task", "pendulum", "--repetitions", "0"], ["--repetitions", "0", "1 to 1000"]),
        (["bench", "busy", "--task", "pendulum", "--quota", "0"], ["--quota", "0", "above 0"]),
        (["bench", "busy", "--task", "pendulum", "--program", "missing"], ["--program", "missing"]),
        (["bench", "busy", "--task", "pendulun"], ["--task", "pendulun", "did you mean 'pendulum'?"]),
        (["train", "--task", "pendulun"], ["--task", "pendulun", "did you mean 'pendulum'?"]),
        (["train"], ["--task", "pendulum"]),
        (["tran"], ["'tran'", "did you mean 'train'?"]),
        (["train", "--task", "pendulum", "--iteration", "3"], ["--iteration", "did you mean '--iterations'?"]),
        (["train", "--task", "pendulum", "--set", "train.num_env=3"], ["train.num_env", "'train.num_envs'"]),
        (["train", "--task", "pendulum", "--set", "train.horizon=many"], ["train.horizon", "many", "whole number"]),
        (["train", "--task", "pendulum", "--set", "algorithm.gamma=2"], ["algorithm.gamma", "2", "from 0 to 1"]),
        (["train", "--task", "pendulum", "--num-envs", "0"], ["--num-envs", "0", "from 1"]),
        (["train", "--task", "pendulum", "--num-envs", "-3"], ["--num-envs", "-3", "from 1"]),
        (["train", "--task", "pendulum", "--num-envs", "1.5"], ["--num-envs", "1.5", "whole number"]),
        (["train", "--task", "pendulum", "--seed", "-1"], ["seed", "-1", "from 0"]),
        (["train", "--task", "pendulum", "--algo", "pppo"], ["--algo", "pppo", "'ppo'"]),
        (["train", "--task", "pendulum", "--stop-after", "0"], ["--stop-after", "1 or more"]),
        (["train", "--task", "pendulum", "--threads", "-1"], ["--threads", "from 1"]),
        (["train", "--task", "pendulum", "--device", "tpu"], ["--device", "tpu", "cuda"]),
        (["train", "--task", "pendulum", "--config", "missing.toml"], ["missing.toml"]),
        (["train", "--task", "pendulum", "--run", "/dev/null/run"], ["/dev/null/run"]),
        (["train", "--resume", "missing"], ["missing", "holds no run"]),
        (["eval"], ["--run", "--policy"]),
        (["eval", "--run", "missing"], ["missing"]),
        (["export", "--run", "missing", "--out", "x.onnx"], ["missing"]),
        (["export", "--run", "missing", "--out", "x.txt"], [".onnx", ".safetensors"]),
        (["bench", "env", "--task", "pendulum", "--seconds", "nan"], ["--seconds nan", "above 0"]),
        (["bench", "env", "--task", "pendulum", "--seconds", "inf"], ["--seconds inf", "up to 3600"]),
        (["bench", "physics", "--robot", "go2", "--dt", "0"], ["timestep 0", "above 0"]),
        (["bench", "physics", "--robot", "go2", "--dt", "nan"], ["timestep nan", "above 0"]),
        (["bench", "physics", "--robot", "go2", "--seed", "-1"], ["--seed", "-1"]),
        (["bench"], ["env", "train", "busy"]),
    ],
)
def test_bad_input_is_one_line(arguments, parts, tmp_path):
    line = refused(*arguments, cwd=tmp_path)
    for part in parts:
        assert part in line
    assert not tree(tmp_path), "something was written"


def test_bad_config_files_name_the_line(tmp_path):
    config = tmp_path / "run.toml"
    for text, parts in {
        "task = 'pendulum'\n[train]\nnum_envs = 0\n": [":3:", "num_envs"],
        "task = 'pendulum'\n[trian]\nnum_envs = 1\n": [":2:", "trian"],
        "task = 'pendulum\n": [":1:", "TOML"],
    }.items():
        config.write_text(text)
        line = refused("train", "--config", config, cwd=tmp_path)
        for part in [str(config), *parts]:
            assert part in line
    assert list(tree(tmp_path)) == [config.relative_to(tmp_path)]


def test_no_gpu_is_one_line(tmp_path):
    devices = {device["device"]: device for device in run_json("info")["devices"]}
    if devices["cuda"]["usable"]:
        pytest.skip("there is a GPU")
    line = refused("train", "--task", "pendulum", "--device", "cuda", cwd=tmp_path)
    assert "--device cuda" in line
    assert not tree(tmp_path)


def test_unknown_instruction_set():
    assert "avx2" in refused("list", env={"STAMPEDE_INSTRUCTION_SET": "avx-2"})


def test_a_run_is_not_overwritten(trained):
    folder, _ = trained
    before = tree(folder)
    line = refused("train", "--task", "pendulum", "--run", folder)
    assert "--force" in line and "--resume" in line
    refused("train", "--task", "pendulum", "--run", folder, "--force", "--set", "train.horizon=0")
    refused("export", "--run", folder, "--out", folder / "policy.onnx")
    assert tree(folder) == before


def test_damaged_checkpoints_are_found(trained, tmp_path):
    folder = copy_of(trained[0], tmp_path / "run")
    newest = newest_checkpoint(folder)
    whole = newest.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-1], whole[:1000] + bytes([whole[1000] ^ 4]) + whole[1001:], b""):
        newest.write_bytes(damaged)
        for command in (["train", "--resume", folder], ["eval", "--run", folder]):
            line = refused(*command)
            assert newest.name in line and "delete" in line
    newest.unlink()
    assert run("train", "--resume", folder).returncode == 0
    for checkpoint in (folder / "checkpoint").iterdir():
        checkpoint.unlink()
    assert "no checkpoint" in refused("train", "--resume", folder)


def test_a_checkpoint_of_another_task_is_refused(trained, tmp_path):
    other = tmp_path / "other"
    run_json("train", "--task", "cartpole-swingup", "--iterations", 1, "--num-envs", 64, "--run", other)
    folder = copy_of(trained[0], tmp_path / "run")
    shutil.rmtree(folder / "checkpoint")
    shutil.copytree(other / "checkpoint", folder / "checkpoint")
    line = refused("train", "--resume", folder)
    assert "'cartpole-swingup'" in line and "'pendulum'" in line
    assert "cartpole-swingup" in refused("train", "--task", "cartpole-swingup", "--resume", folder)


def test_policies_that_are_none_are_refused(trained, tmp_path):
    folder, _ = trained
    for name, content in {"a.onnx": b"", "b.onnx": b"not onnx at all", "c.onnx": os.urandom(4096)}.items():
        (tmp_path / name).write_bytes(content)
        assert name in refused("eval", "--policy", tmp_path / name, "--task", "pendulum")
    line = refused("eval", "--policy", folder / "policy.onnx", "--task", "cartpole-swingup")
    assert "'pendulum'" in line
    (tmp_path / "d.safetensors").write_bytes(b"no weights")
    assert "d.safetensors" in refused("eval", "--policy", tmp_path / "d.safetensors", "--task", "pendulum")


def test_both_files_of_a_policy_are_the_same_policy(trained, tmp_path):
    shutil.copy(trained[0] / "policy.safetensors", tmp_path / "alone.safetensors")  # which needs no file beside it
    onnx, tensors = (run_json("eval", "--policy", file, "--task", "pendulum", "--episodes", 10)["return_mean"]
                     for file in (trained[0] / "policy.onnx", tmp_path / "alone.safetensors"))
    assert onnx == tensors


def start(*arguments, **options):
    return subprocess.Popen([os.path.abspath(program.PROGRAM), *map(str, arguments)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **options)


def wait_for(condition, seconds=60):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "waited too long"
        time.sleep(0.005)


def test_two_trainings_in_one_folder(tmp_path):
    folder = tmp_path / "run"
    first = start("train", *SMALL, "--iterations", 100000, "--run", folder)
    wait_for(lambda: (folder / "config.toml").exists())
    for more in (["--force"], []):
        assert "another training" in refused("train", "--task", "pendulum", "--run", folder, *more)
    assert "another training" in refused("train", "--resume", folder)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    assert first.returncode == 130


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_saves_and_resume_goes_on(kind, tmp_path):
    folder = tmp_path / "run"
    process = start("train", *SMALL, "--iterations", 40, "--run", folder, "--json")
    wait_for(lambda: (folder / "metrics.jsonl").exists() and (folder / "metrics.jsonl").read_text().count("\n") >= 3)
    process.send_signal(kind)
    out, err = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("the training was over before the signal")
    assert process.returncode == 130
    assert f"stampede train --resume {folder}" in err
    said = json.loads(out)
    assert said["interrupted"] and 3 <= said["iterations"] < 40
    run_json("train", "--resume", folder)
    run_json("train", *SMALL, "--iterations", 40, "--run", tmp_path / "whole")
    assert (folder / "policy.onnx").read_bytes() == (tmp_path / "whole" / "policy.onnx").read_bytes()


def test_a_terminal_that_goes_away_loses_nothing(tmp_path):
    """The terminal's programs get a SIGHUP, often two, and whoever read of the progress is gone."""
    folder = tmp_path / "run"
    process = start("train", *SMALL, "--iterations", 100000, "--run", folder)
    wait_for(lambda: (folder / "metrics.jsonl").exists() and (folder / "metrics.jsonl").read_text().count("\n") >= 3)
    process.stdout.close()
    process.stderr.close()
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=60) == 130
    done = (folder / "metrics.jsonl").read_text().count("\n")
    assert newest_checkpoint(folder).name == f"{done:09}.safetensors"


def test_nohup_is_obeyed(tmp_path):
    process = start("train", *SMALL, "--iterations", 40, "--run", tmp_path / "run", "--json",
                    preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for(lambda: (tmp_path / "run" / "metrics.jsonl").exists())
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and json.loads(out)["finished"]


def test_resume_is_exact(tmp_path):
    run_json("train", *SMALL, "--iterations", 20, "--run", tmp_path / "whole")
    said = run_json("train", *SMALL, "--iterations", 20, "--stop-after", 10, "--run", tmp_path / "parts")
    assert said["iterations"] == 10 and not said["finished"]
    said = run_json("train", "--resume", tmp_path / "parts")
    assert said["iterations"] == 20 and said["finished"]
    for name in ("policy.onnx", "policy.safetensors", "config.toml"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_run_is_exported_again(trained, tmp_path):
    folder = copy_of(trained[0], tmp_path / "run")
    (folder / "policy.onnx").unlink()
    said = run_json("train", "--resume", folder)
    assert said["iterations"] == 12 and said["return_mean"] == trained[1]["return_mean"]
    assert (folder / "policy.onnx").read_bytes() == (trained[0] / "policy.onnx").read_bytes()


def test_killed_at_any_moment_it_can_be_resumed(tmp_path):
    arguments = ["train", *SMALL, "--iterations", 30]
    run_json(*arguments, "--run", tmp_path / "whole")
    whole = (tmp_path / "whole" / "policy.onnx").read_bytes()
    for attempt in range(12):
        folder = tmp_path / f"run{attempt}"
        process = start(*arguments, "--run", folder)
        if attempt % 2:  # else from the process's very start
            wait_for(folder.exists)
        time.sleep(0.001 * attempt**2)
        process.kill()
        process.communicate()
        if (folder / "config.toml").exists():
            said = run_json("train", "--resume", folder)
        else:
            said = run_json(*arguments, "--run", folder)
        assert said["finished"]
        assert (folder / "policy.onnx").read_bytes() == whole
        lines = [json.loads(line)["iteration"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
        assert lines == list(range(1, 31))
        assert not list(folder.rglob("*.partial"))


def test_killed_before_the_first_checkpoint_it_can_be_resumed(trained, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(trained[0] / "config.toml", folder)
    assert "--resume" in refused("train", "--task", "pendulum", "--run", folder)
    assert "--resume" in refused("eval", "--run", folder)
    assert run_json("train", "--resume", folder)["finished"]
    assert (folder / "policy.onnx").read_bytes() == (trained[0] / "policy.onnx").read_bytes()


def test_files_with_a_runs_names_are_not_taken(tmp_path):
    for name in ("policy.onnx", "system.json", "curve.png", "events.out.tfevents.1.mine"):
        folder = tmp_path / name.split(".")[0]
        folder.mkdir()
        (folder / name).write_text("mine")
        (folder / ".download.partial").write_text("mine")
        line = refused("train", *SMALL, "--iterations", 1, "--run", folder)
        assert name in line and "--force" in line
        assert (folder / name).read_text() == "mine"
        run_json("train", *SMALL, "--iterations", 1, "--run", folder, "--force")
        assert (folder / ".download.partial").read_text() == "mine"


def test_train_and_eval_report_the_same_return(tmp_path):
    trained_here = run_json("train", *SMALL, "--iterations", 3, "--seed", 3, "--run", tmp_path / "run")
    figures = ("return_mean", "return_std", "episodes")
    said = run_json("eval", "--run", tmp_path / "run")
    assert [said[key] for key in figures] == [trained_here[key] for key in figures]
    said = run_json("eval", "--policy", tmp_path / "run" / "policy.onnx", "--task", "pendulum")
    assert [said[key] for key in figures] == [trained_here[key] for key in figures]
    assert run_json("eval", "--run", tmp_path / "run", "--seed", 3)["return_mean"] != trained_here["return_mean"]


def test_a_full_disk_is_one_line(tmp_path):
    """A limit on the size of files stands in for a full disk: the same failure of write()."""
    limited = ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash"]
    process = subprocess.run(
        [*limited, os.path.abspath(program.PROGRAM), "train", "--task", "pendulum", "--iterations", "3", "--run",
         tmp_path / "run", "--set", "network.actor=[64, 64]"], capture_output=True, text=True)
    assert process.returncode == 2, process.stderr
    lines = [line for line in process.stderr.splitlines() if line.startswith("stampede: error: ")]
    assert len(lines) == 1 and "cannot write" in lines[0] and "free some space" in lines[0]
    assert not tree(tmp_path), "something was left"


def test_what_is_no_file_is_not_read_for_ever(tmp_path):
    for arguments in (["eval", "--policy", "/dev/zero", "--task", "pendulum"], ["train", "--config", "/dev/zero"],
                      ["play", "--robot", "/dev/zero"]):
        line = refused(*arguments, cwd=tmp_path)
        assert "/dev/zero" in line and "num-envs" not in line
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    assert "zero.toml" in refused("train", "--task", tmp_path / "zero.toml", cwd=tmp_path)


@pytest.mark.parametrize("arguments, parts", [
    (["eval", "--policy", WALKING, "--episodes", "1048576"], ["evaluation of 1048576 episodes", "--episodes"]),
    (["eval", "--policy", "policy.onnx", "--episodes", "1048576", "--trace", "t.safetensors"], ["--trace"]),
    (["train", "--task", "pendulum", "--num-envs", "16777216"], ["16777216 environments", "--num-envs"]),
    (["bench", "env", "--task", "cartpole-swingup", "--num-envs", "16777216"], ["--num-envs"]),
    (["bench", "physics", "--robot", "go2", "--num-envs", "16777216"], ["--num-envs"]),
    (["bench", "robustness", "--robot", "go2", "--num-envs", "16777216"], ["--num-envs"]),
])
def test_what_did_not_fit_is_named(trained, arguments, parts, tmp_path):
    shutil.copy(trained[0] / "policy.onnx", tmp_path)
    before = tree(tmp_path)
    process = subprocess.run(
        ["bash", "-c", 'ulimit -v 600000; exec "$@"', "bash", os.path.abspath(program.PROGRAM), *arguments, "--threads", "1"],
        capture_output=True, text=True, cwd=tmp_path)
    assert process.returncode == 2, process.stderr
    line = process.stderr.splitlines()[-1]
    assert line.startswith("stampede: error: not enough memory for ")
    for part in parts:
        assert part in line
    assert ("num-envs" in line) == ("--num-envs" in arguments)
    assert tree(tmp_path) == before


def test_progress_without_a_terminal_is_plain_lines(tmp_path):
    process = run("train", *SMALL, "--iterations", 20, "--run", tmp_path / "run")
    assert process.returncode == 0
    lines = [line for line in process.stderr.splitlines() if "iteration" in line]
    assert 10 <= len(lines) <= 21
    assert "\r" not in process.stderr and "\x1b" not in process.stderr
    for word in ("steps/s", "return", "rollout", "update", "left"):
        assert word in lines[-1]


def test_progress_on_a_terminal_is_one_line(tmp_path):
    leader, follower = pty.openpty()
    process = subprocess.Popen([os.path.abspath(program.PROGRAM), "train", *SMALL, "--iterations", "20", "--run",
                                tmp_path / "run"], stdout=subprocess.DEVNULL, stderr=follower)
    os.close(follower)
    text = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:
            break
        if not piece:
            break
        text += piece
    assert process.wait(timeout=60) == 0
    assert b"\r\x1b[Kiteration 20/20" in text
