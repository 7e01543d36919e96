"""Students of a data set: `distill --dataset`, from what `record` wrote to a policy (docs/distillation.md)."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from program import refused, run_json
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

SMALL = ("--num-envs", 64, "--set", "run.eval_episodes=20", "--set", "distill.epochs=4")
PENDULUM = ("--task", "pendulum", *SMALL)


@pytest.fixture(scope="module")
def swings(tmp_path_factory):
    """Episodes of a pendulum that swings up: (the file, what `record --json` said)."""
    folder = tmp_path_factory.mktemp("cloning")
    run_json("train", "--task", "pendulum", "--run", folder / "run", "--set", "run.eval_episodes=20")
    out = folder / "swings.safetensors"
    return out, run_json("record", "--run", folder / "run", "--out", out, "--episodes", 200)


@pytest.fixture(scope="module")
def walks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloning")
    run_json("train", "--task", "go2-flat", "--iterations", 1, "--num-envs", 64, "--run", folder / "run",
             "--set", "train.horizon=8", "--set", "run.eval_episodes=4", "--set", "control.episode=1")
    out = folder / "walks.safetensors"
    run_json("record", "--run", folder / "run", "--out", out, "--episodes", 20)
    return out


def changed(source, target, change, checksum=False):
    """A copy of a data set after change(tensors, metadata); without a checksum, which files of earlier versions lack."""
    tensors = load_file(source)
    with safe_open(source, "numpy") as file:
        metadata = file.metadata()
    if not checksum:
        tensors.pop("checksum", None)
    change(tensors, metadata)
    save_file(tensors, target, metadata)
    return target


def test_a_student_swings_up_as_what_was_recorded(swings, tmp_path):
    data, recorded = swings
    said = run_json("distill", "--dataset", data, *PENDULUM, "--run", tmp_path / "run",
                    "--iterations", 15)
    assert said["algo"] == "bc" and said["finished"]
    assert said["data_return_mean"] == pytest.approx(recorded["return_mean"], rel=1e-6)
    assert said["teacher_return_mean"] is None
    assert said["metrics"]["teacher_share"] == 0
    # A random policy gets some -1200.
    assert said["return_mean"] > said["data_return_mean"] - 0.05 * 1000
    kept = json.loads((tmp_path / "run" / "data_set.json").read_text())
    assert kept == {"dataset": str(data), "sequences": 200, "steps": 200 * 200, "return_mean": said["data_return_mean"]}
    # The student's observations are normalised as the data set's are distributed.
    tensors, policy = load_file(data), load_file(said["policy_safetensors"])
    seen = tensors["observation.policy"].astype(np.float64)
    np.testing.assert_allclose(policy["observation_mean"], seen.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(policy["observation_variance"], seen.var(axis=0), rtol=1e-5)
    # It does what was done, there.
    session = onnxruntime.InferenceSession(said["policy_onnx"])
    done = session.run(["action"], {"obs": tensors["observation.policy"]})[0]
    assert np.abs(done - tensors["action"]).mean() < 0.1, "of torques up to 2"
    # Like any other run.
    evaluated = run_json("eval", "--run", tmp_path / "run", "--episodes", 20)
    assert evaluated["return_mean"] == pytest.approx(said["return_mean"], rel=1e-6)


def test_labels_are_actions_in_the_networks_units(swings, tmp_path):
    """Somebody who always did the same: action = centre + scale x output, with a scale of 2."""
    def constant(tensors, _):
        tensors["action"] = np.full_like(tensors["action"], 1.3)

    data = changed(swings[0], tmp_path / "constant.safetensors", constant)
    said = run_json("distill", "--dataset", data, *PENDULUM, "--run", tmp_path / "run", "--iterations", 10,
                    "--set", "run.validate_every=0")
    session = onnxruntime.InferenceSession(said["policy_onnx"])
    seen = load_file(data)["observation.policy"][::7]
    done = session.run(["action"], {"obs": seen})[0]
    assert done.mean() == pytest.approx(1.3, abs=0.02) and np.abs(done - 1.3).mean() < 0.05


def test_columns_are_matched_by_their_names(swings, tmp_path):
    def turned(tensors, metadata):
        tensors["observation.policy"] = np.ascontiguousarray(tensors["observation.policy"][:, ::-1])
        names = json.loads(metadata["observation_names"])
        metadata["observation_names"] = json.dumps(names[::-1])

    other = changed(swings[0], tmp_path / "turned.safetensors", turned)
    policies = []
    for data, name in ((swings[0], "a"), (other, "b")):
        said = run_json("distill", "--dataset", data, *PENDULUM, "--run", tmp_path / name, "--iterations", 2)
        policies.append(Path(said["policy_safetensors"]).read_bytes())
    assert policies[0] == policies[1]


def test_a_student_goes_on_where_it_stopped(swings, tmp_path):
    data = tmp_path / "set.safetensors"
    shutil.copy(swings[0], data)
    common = ("distill", "--dataset", data, *PENDULUM, "--iterations", 6, "--finetune", 3)
    whole = run_json(*common, "--run", tmp_path / "whole")
    assert "policy_loss" in whole["metrics"], "the last stage is PPO"
    for stop in (4, 8):
        folder = tmp_path / f"parts-{stop}"
        assert not run_json(*common, "--run", folder, "--stop-after", stop)["finished"]
        moved = tmp_path / "elsewhere.safetensors"
        shutil.move(data, moved)
        if stop < 6:  # the training behind the cloning needs the data set no more
            line = refused("distill", "--resume", folder)
            assert str(data) in line and "No such file" in line
            # One that is there, but is another.
            changed(moved, data, lambda tensors, _: tensors["action"].__setitem__((5, 0), 0.123))
            line = refused("distill", "--resume", folder)
            assert "learned from another data set" in line and "distill.dataset" in line
            config = folder / "config.toml"
            config.write_text(config.read_text().replace(str(data), str(moved)))
            data.unlink()
        said = run_json("distill", "--resume", folder)
        assert said["finished"] and said["data_return_mean"] == whole["data_return_mean"]
        assert (folder / "policy.safetensors").read_bytes() == (tmp_path / "whole" / "policy.safetensors").read_bytes()
        shutil.move(moved, data)


def test_a_walking_data_set(walks, tmp_path):
    common = ("--task", "go2-flat", "--run", tmp_path / "run", "--num-envs", 64, "--set", "train.horizon=8",
              "--set", "run.eval_episodes=4", "--set", "control.episode=1", "--iterations", 4)
    said = run_json("distill", "--dataset", walks, *common)
    assert said["finished"] and np.isfinite(said["loss"])
    first = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0]
    assert said["loss"] < 0.5 * json.loads(first)["loss"]
    # Gains may be others, and are named.
    said = run_json("distill", "--dataset", walks, *common, "--force", "--set", "control.stiffness=40")
    assert any(note.startswith("the data set: the policy was trained with the stiffness") for note in said["notes"])


def test_what_is_refused(swings, walks, tmp_path):
    data, _ = swings
    never = tmp_path / "never"

    def because(*arguments):
        line = refused("distill", "--run", never, *arguments)
        assert not never.exists(), "something was left behind"
        return line

    def pendulum(*more):
        return because(*PENDULUM, "--dataset", *more)

    def with_change(change, *more, **options):
        return pendulum(changed(data, tmp_path / "changed.safetensors", change, **options), *more)

    assert "leave the other out" in pendulum(data, "--teacher", tmp_path)
    for algo in ("online", "dagger"):
        assert f'--dataset with algo = "{algo}"' in pendulum(data, "--algo", algo)
    assert '--dataset with algo = "ppo"' in because("--task", "pendulum", "--dataset", data, "--algo", "ppo")
    assert "standard deviations" in pendulum(data, "--set", "distill.loss=kl")
    assert "distill.action_noise = 0.1" in pendulum(data, "--set", "distill.action_noise=0.1")
    for key in ("latent", "reconstruct"):
        assert f"distill.{key} needs a teacher that is asked" in pendulum(data, "--set", f"distill.{key}=0.5")
    assert "--dataset with --resume" in refused("distill", "--resume", tmp_path, "--dataset", data)
    assert "network.modules carry" in pendulum(data, "--set", 'network.modules=["gru", "dense"]',
                                               "--set", "train.horizon=8")
    # The file.
    assert "No such file" in pendulum(tmp_path / "none.safetensors")
    assert "is not a safetensors file" in pendulum(__file__)
    bytes_ = bytearray(data.read_bytes())
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(bytes_[:-1000])
    assert "truncated" in pendulum(broken)
    bytes_[len(bytes_) // 2] ^= 1
    broken.write_bytes(bytes_)
    assert "is damaged (its checksum does not match)" in pendulum(broken)
    assert "is no data set" in with_change(lambda _, metadata: metadata.pop("format"))
    line = with_change(lambda _, metadata: metadata.update(format="stampede data set 9"))
    assert "has the format 'stampede data set 9'; this version reads 'stampede data set 1'" in line
    # What it holds.
    assert "holds no tensor 'action'" in with_change(lambda tensors, _: tensors.pop("action"))
    assert "'action' must be F32 [40000, numbers]" in with_change(
        lambda tensors, _: tensors.update(action=tensors["action"][:-1]))
    assert "'reward' must be F32 [40000]" in with_change(
        lambda tensors, _: tensors.update(reward=tensors["reward"].astype(np.uint32)))
    assert "in row 7 that is not finite" in with_change(
        lambda tensors, _: tensors["observation.policy"].__setitem__((7, 1), np.nan))
    assert "'sequence_begin' must be I64" in with_change(
        lambda tensors, _: tensors["sequence_begin"].__setitem__(3, 0))

    def emptied(tensors, _):
        for name, tensor in tensors.items():
            tensors[name] = tensor[:1] if name == "sequence_begin" else tensor[:0]

    assert "is empty" in with_change(emptied)
    # What it means.
    assert "'observation_names' must be a JSON list of 3 entries" in with_change(
        lambda _, metadata: metadata.update(observation_names='["a", "b"]'))
    assert "has the observation 'rate'" in with_change(
        lambda _, metadata: metadata.update(observation_names='["cos_angle", "sin_angle", "speed"]'))
    assert "the recorded policy's control step is 0.1 s" in with_change(
        lambda _, metadata: metadata.update(control_dt="0.1"))
    assert "to the recorded policy the action 'torque' is 0 + 2 x" in pendulum(
        data, "--set", "environment.max_torque=6")
    line = because("--task", "cartpole-swingup", "--dataset", data)
    assert "the task 'cartpole-swingup' has the action 'force', which the policy was not trained with" in line
    line = because("--task", "pendulum-pixels", "--dataset", data)
    assert "pixel" in line
    walking = ("--num-envs", 64, "--dataset", walks)
    line = because("--task", "anymal-flat", *walking)
    assert "was recorded with the robot go2" in line and "anymal" in line
    assert "action scale" in because("--task", "go2-flat", *walking, "--set", "control.action_scale=0.3")
    assert "policy_observation.delay" in because("--task", "go2-flat", *walking, "--set", "policy_observation.delay=1")
    assert "@-1" in because("--task", "go2-flat", *walking, "--set", "policy_observation.history=2")
