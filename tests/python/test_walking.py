"""Walking tasks from the command line: a short training, its evaluation here and in MuJoCo, its figures recomputed from the trace."""

import json

import numpy
import pytest
from program import refused, run, run_json
from safetensors.numpy import load_file
from small_dog import write_dog

SMALL = ["--set", "run.eval_episodes=23", "--set", "train.horizon=8", "--set", "control.episode=2",
         "--set", "terminations.base_force=1e6", "--set", "terminations.body_force=1e6", "--set",
         "terminations.gravity_z=2"]


@pytest.fixture(scope="module")
def walker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walking") / "run"
    said = run_json("train", "--task", "go2-flat", "--num-envs", "64", "--iterations", "3", "--run", str(folder), *SMALL)
    return folder, said


def test_train_reports_constraints_and_draws(walker):
    folder, said = walker
    assert said["objective"] == "cat"
    for key in ("tracking_error_linear", "tracking_error_angular", "fall_rate", "cost_of_transport", "constraints"):
        assert key in said
    assert said["constraints"]["foot_force"]["kind"] == "hard"
    for picture in ("walk.png", "training.png", "curve.png"):
        assert (folder / picture).read_bytes()[:4] == b"\x89PNG"
    line = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert line["constraints"]["action_rate"]["violated"] > 0
    assert line["constraints"]["action_rate"]["applied"] == 1
    assert 0 < line["constraints"]["hip"]["applied"] < 1
    assert line["rewards"]["track_linear"] > 0


def test_figures_are_those_of_the_trace(walker, tmp_path):
    folder, _ = walker
    said = run_json("eval", "--run", str(folder), "--randomise", "off", "--trace", str(tmp_path / "t.safetensors"))
    trace = load_file(tmp_path / "t.safetensors")
    active = trace["active"] > 0
    figures = trace["figures"]
    settled = active & (figures[:, :, 6] > 50)
    off = numpy.hypot(figures[:, :, 0] - figures[:, :, 3], figures[:, :, 1] - figures[:, :, 4])
    assert said["tracking_error_linear"] == pytest.approx(off[settled].mean(), rel=1e-4)
    turn = abs(figures[:, :, 2] - figures[:, :, 5])
    assert said["tracking_error_angular"] == pytest.approx(turn[settled].mean(), rel=1e-4)
    # A constraint with a `when` is told as the share of all steps, and of those to which it applies.
    x, y, yaw = (figures[:, :, 3 + i] for i in range(3))
    speed = numpy.sqrt(x**2 + y**2 + yaw**2)
    whens = {"hip": abs(y) < 0.1, "feet_down": speed > 0.5, "air_time": speed > 0.1, "no_motion": speed <= 0.1}
    for name, when in whens.items():
        assert 0.02 < when[active].mean() < 0.98, name
    for i, (name, constraint) in enumerate(said["constraints"].items()):
        applied = trace["applied"][:, :, i][active] > 0
        assert (applied == (whens[name][active] if name in whens else True)).all(), name
        assert constraint["applied"] == pytest.approx(applied.mean(), abs=1e-6), name
        judged = trace["violation"][:, :, i][active]
        assert (judged >= 0).all() and not judged[~applied].any(), name
        assert constraint["violated_when_applied"] == pytest.approx((judged[applied] > 0).mean(), abs=1e-6), name
        assert constraint["violated"] == pytest.approx((judged > 0).mean(), abs=1e-6), name
        assert constraint["mean"] == pytest.approx(judged.mean(), rel=1e-4, abs=1e-9), name
    # Feet are the digits of a number: FL 1, FR 2, RL 4, RR 8; each diagonal touches together or not at all.
    feet = figures[:, :, 8].round().astype(int)[active]
    down = [(feet >> limb) & 1 for limb in range(4)]
    apart = abs(down[0] - down[3]) + abs(down[1] - down[2])
    names = list(said["constraints"])
    assert (trace["violation"][:, :, names.index("trot")][active] == apart).all()
    assert 0 < (apart > 0).mean() < 1
    # The velocity that is judged is the next state's, turned into the base's heading.
    after = trace["state"][1:, :, :]
    w, x, y, z = (after[:, :, 3 + i] for i in range(4))
    heading = numpy.arctan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))
    forward = numpy.cos(heading) * after[:, :, 19] + numpy.sin(heading) * after[:, :, 20]
    both = active[1:] & active[:-1]
    assert abs(forward - figures[:-1, :, 0])[both].max() < 1e-4


def test_survival_is_told_beside_what_was_tracked(walker, tmp_path):
    """Tracking leaves out those who fell: how many lasted to the end belongs beside it."""
    folder, _ = walker
    said = run_json("eval", "--run", str(folder), "--randomise", "off", "--set", "terminations.gravity_z=-0.9", "--set",
                    "terminations.body_force=1", "--set", "start.joint_velocity=[-30, 30]", "--trace", str(tmp_path / "t.safetensors"))
    to_the_end = load_file(tmp_path / "t.safetensors")["active"][-1] > 0
    assert 0 < said["survival"] < 1
    assert said["survival"] == pytest.approx(to_the_end.mean(), abs=1e-9)
    assert said["fall_rate"] == pytest.approx(1 - said["survival"], abs=1e-9)
    text = run("eval", "--run", str(folder), "--randomise", "off").stdout
    assert "survival 100.00 %" in text
    [hip] = [line for line in text.splitlines() if " hip " in line]
    assert "applied to" in hip and "of those" in hip
    [action_rate] = [line for line in text.splitlines() if " action_rate " in line]
    assert "applied to" not in action_rate


def test_ground_of_levels_is_trained_on_evaluated_and_drawn(tmp_path):
    folder = tmp_path / "run"
    said = run_json("train", "--task", "go2-rough", "--num-envs", "64", "--iterations", "3", "--run", str(folder), *SMALL)
    assert (folder / "walk.png").exists() and (folder / "training.png").exists()
    line = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert 0 <= line["terrain"]["level"] <= 9
    assert "tracking_error_linear" in said
    # Two rounds of four tiles: the first walks straight on.
    ground = ["--set", 'terrain.kinds=["rough", "slope-up"]', "--set", "terrain.levels=2", "--set", "terrain.columns=2",
              "--set", "terrain.tile=4", "--set", "control.episode=4", "--randomise", "off", "--episodes", 8]
    said = run_json("eval", "--run", str(folder), *ground, "--trace", str(tmp_path / "t.safetensors"))
    assert [(t["kind"], t["level"], t["trials"]) for t in said["terrain"]] == [
        ("rough", 0, 1), ("rough", 1, 1), ("slope-up", 0, 1), ("slope-up", 1, 1)]
    assert said["terrain"][1]["size"] == pytest.approx(0.08)
    # What was crossed, from the states: the tile of episode e is e, and its middle where the episode begins.
    state = load_file(tmp_path / "t.safetensors")["state"]
    active = load_file(tmp_path / "t.safetensors")["active"] > 0
    away = numpy.hypot(state[:, :, 0] - state[0, :, 0], state[:, :, 1] - state[0, :, 1])
    for e, of in ((0, 0), (1, 2), (2, 1), (3, 3)):
        farthest = away[active[:, e], e].max()
        if abs(farthest - 2) > 0.1:
            assert said["terrain"][of]["crossed"] == float(farthest > 2)
    theirs = run_json("eval", "--run", str(folder), *ground, "--simulator", "mujoco")
    assert theirs["tracking_error_linear"] == pytest.approx(said["tracking_error_linear"], rel=0.2)


def test_policies_of_all_objectives_are_judged_alike(tmp_path):
    said = run_json("train", "--task", "go2-flat", "--objective", "early-termination", "--num-envs", "64", "--iterations", "2",
                    "--run", str(tmp_path / "run"), *SMALL)
    assert said["survival"] == 1
    # Two seconds each: no violation ended an episode.
    assert said["episode_length_mean"] == pytest.approx(100)
    # Episodes of less than a second leave nothing to track.
    said = run_json("eval", "--run", str(tmp_path / "run"), "--set", "control.episode=0.5")
    assert said["tracking_error_linear"] is None


def test_mujoco_agrees(walker):
    folder, _ = walker
    ours = run_json("eval", "--run", str(folder), "--randomise", "off")
    theirs = run_json("eval", "--run", str(folder), "--randomise", "off", "--simulator", "mujoco")
    assert theirs["simulator"] == "mujoco"
    assert theirs["tracking_error_linear"] == pytest.approx(ours["tracking_error_linear"], rel=0.2)


def test_a_file_is_a_task_and_its_policy_knows_its_robot(walker, tmp_path):
    folder, _ = walker
    (tmp_path / "mydog.toml").write_text('extends = "legged-flat"\n[control]\nrobot = "go2"\n')
    said = run_json("train", "--task", str(tmp_path / "mydog.toml"), "--num-envs", "32", "--iterations", "1", "--run",
                    str(tmp_path / "run"), *SMALL)
    assert said["task"] == "mydog"
    (tmp_path / "mydog.toml").unlink()
    assert run_json("train", "--resume", str(tmp_path / "run"))["finished"]
    wrong = refused("eval", "--policy", folder / "policy.onnx", "--task", "anymal-flat")
    assert "go2" in wrong and "anymal_c" in wrong


def test_play_draws_a_walk(walker, tmp_path):
    folder, _ = walker
    out = tmp_path / "walk.png"
    said = run_json("play", "--run", str(folder), "--out", str(out), "--seconds", "1", "--command", "0.5", "0", "0")
    assert said["frames"] == 6
    assert said["command"] == "play"
    assert said["velocity_command"] == [0.5, 0, 0] and said["command_trained"]
    assert out.read_bytes()[:4] == b"\x89PNG"


def test_play_says_where_a_command_was_not_trained(walker, tmp_path):
    folder, _ = walker
    play = ["play", "--run", folder, "--out", tmp_path / "a.png", "--seconds", "0.2", "--width", 32, "--height", 32,
            "--force", "--json", "--command"]
    process = run(*play, "5", "0", "-2")
    said = json.loads(process.stdout)
    assert not said["command_trained"]
    assert said["trained_commands"][0] == pytest.approx([-0.3, 1.0])
    (line,) = [line for line in process.stderr.splitlines() if "--command" in line]
    for part in ("--command 5 0 -2", "forward, turning", "forward -0.3 to 1 m/s", "sideways -0.7 to 0.7 m/s", "rad/s"):
        assert part in line
    process = run(*play, "1", "-0.7", "0")
    assert json.loads(process.stdout)["command_trained"] and "--command" not in process.stderr


@pytest.mark.parametrize("arguments, parts", [
    (["--command", "nan", "0", "0"], ["--command", "nan"]),
    (["--command", "0", "inf", "0"], ["--command", "inf"]),
    (["--command", "0", "1e99", "0"], ["--command"]),
    (["--command", "0.5", "0"], ["--command"]),
    (["--command", "0.5", "0", "0", "0"], ["--command", "4"]),
    (["--command", "0.5", "left", "0"], ["--command", "left"]),
    (["--terrain", "stairs-up,rough"], ["--terrain stairs-up,rough", """--set 'terrain.kinds=["stairs-up","rough"]'"""]),
])
def test_play_refuses_commands_that_are_none(walker, arguments, parts, tmp_path):
    line = refused("play", "--run", walker[0], *arguments, cwd=tmp_path)
    for part in parts:
        assert part in line
    assert not list(tmp_path.iterdir())


def test_play_on_the_ground_that_it_proposes(walker, tmp_path):
    run_json("play", "--run", walker[0], "--set", 'terrain.kinds=["stairs-up"]', "--seconds", "0.2", "--out",
             tmp_path / "a.png", "--width", 32, "--height", 32)


def test_figures_of_no_steps_are_none(tmp_path):
    """All fall within the first second: nothing was tracked."""
    task = write_dog(tmp_path, "episode = 0.5\n")
    arguments = ["train", "--task", task, "--iterations", "1", "--num-envs", "16", "--set", "run.eval_episodes=4", "--run",
                 tmp_path / "run"]
    process = run(*arguments)
    assert process.returncode == 0, process.stderr
    assert "nan" not in process.stdout + process.stderr
    assert "tracking - m/s, - rad/s (no episode lasted a second)" in process.stdout
    said = run_json("eval", "--run", tmp_path / "run", "--set", "commands.x=[0, 0]", "--set", "commands.y=[0, 0]")
    for key in ("tracking_error_linear", "tracking_error_angular", "cost_of_transport"):
        assert said[key] is None
    process = run("eval", "--run", tmp_path / "run", "--set", "commands.x=[0, 0]", "--set", "commands.y=[0, 0]")
    assert "cost of transport -\n" in process.stdout and "nan" not in process.stdout


def test_advice_of_an_unstable_simulation(tmp_path):
    """States turn non-finite before anything was learnt."""
    task = write_dog(tmp_path, "stiffness = 10000\ndamping = 0\ntorque_limit = 10000\ntimestep = 0.02\ndecimation = 1\n")
    process = run("train", "--task", task, "--num-envs", "64", "--run", tmp_path / "run")
    assert process.returncode == 1
    line = process.stderr.splitlines()[-1]
    for part in ("iteration 1", "control.timestep (now 0.02 s)", "control.stiffness (now 10000)", "control.damping (now 0)"):
        assert part in line
    assert "learning_rate" not in line


@pytest.mark.parametrize("arguments, parts", [
    (["--objective", "shapd"], ["objective", "shaped"]),
    (["--set", "constraints.hip.p_max=2"], ["constraints.hip.p_max", "0 to 1"]),
    (["--set", "control.feet=[\"tail\"]"], ["tail"]),
    (["--robot", "cartpole"], ["cartpole"]),
    (["--set", "randomise.friction=[2, 1]"], ["randomise.friction", "low is above high"]),
])
def test_mistakes_end_with_one_line(arguments, parts, tmp_path):
    line = refused("train", "--task", "go2-flat", "--run", tmp_path / "run", *arguments)
    for part in parts:
        assert part in line
    assert not (tmp_path / "run").exists()
