"""Students: the command `distill`, from a teacher's run to a policy that is evaluated, exported and gone on with
(docs/distillation.md)."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from program import refused, run, run_json
from safetensors.numpy import load_file

SMALL = ("--num-envs", 256, "--set", "run.eval_episodes=20")
PENDULUM = ("--task", "pendulum", *SMALL)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A pendulum that swings up, for students to learn from."""
    folder = tmp_path_factory.mktemp("distill") / "teacher"
    return folder, run_json("train", "--task", "pendulum", "--run", folder, "--set", "run.eval_episodes=20")


@pytest.fixture(scope="module")
def walker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distill") / "walker"
    run_json("train", "--task", "go2-flat", "--iterations", 1, "--num-envs", 64, "--run", folder,
             "--set", "train.horizon=8", "--set", "run.eval_episodes=4", "--set", "control.episode=1")
    return folder


@pytest.mark.parametrize("algo", ["online", "dagger", "bc"])
def test_a_student_swings_up_as_its_teacher_does(good, tmp_path, algo):
    teacher, said_teacher = good
    said = run_json("distill", "--teacher", teacher, "--task", "pendulum", "--algo", algo, "--run", tmp_path / "run",
                    "--set", "run.eval_episodes=20")
    assert said["algo"] == algo and said["finished"]
    # The teacher in the student's task is what it is in its own: these are the same.
    assert said["teacher_return_mean"] == pytest.approx(said_teacher["return_mean"], rel=1e-5)
    assert 0 < said["loss"] < 0.2
    # A random policy gets some -1200.
    assert said["return_mean"] > said["teacher_return_mean"] - 0.05 * 1000
    # Evaluation and export know nothing of how the policy was learnt.
    evaluated = run_json("eval", "--run", tmp_path / "run", "--episodes", 20)
    assert evaluated["return_mean"] == pytest.approx(said["return_mean"], rel=1e-6)
    run_json("export", "--run", tmp_path / "run", "--out", tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == Path(said["policy_onnx"]).read_bytes()
    kept = json.loads((tmp_path / "run" / "teacher.json").read_text())
    assert kept["teacher"] == str(teacher) and kept["return_mean"] == said["teacher_return_mean"]


@pytest.mark.parametrize("algo", ["online", "dagger"])
def test_a_student_goes_on_where_it_stopped(good, tmp_path, algo):
    teacher, _ = good
    common = ("distill", "--teacher", teacher, *PENDULUM, "--algo", algo, "--iterations", 6, "--finetune", 3)
    whole = run_json(*common, "--run", tmp_path / "whole")
    for stop in (4, 8):  # in the distillation, and in the training behind it
        folder = tmp_path / f"parts-{stop}"
        part = run_json(*common, "--run", folder, "--stop-after", stop)
        assert not part["finished"] and part["iterations"] == stop
        (moved := tmp_path / f"moved-{stop}").parent.mkdir(exist_ok=True)
        shutil.move(folder, moved)  # it needs its teacher's folder no more
        said = run_json("distill", "--resume", moved)
        assert said["finished"] and said["iterations"] == 9
        assert said["return_mean"] == whole["return_mean"]
        assert said["teacher_return_mean"] == whole["teacher_return_mean"]
        assert (moved / "policy.safetensors").read_bytes() == (tmp_path / "whole" / "policy.safetensors").read_bytes()
    assert "policy_loss" in whole["metrics"], "the last stage is PPO"
    # `train --resume` is the same thing: a run is a run.
    again = run_json("train", "--resume", tmp_path / "whole")
    assert again["return_mean"] == whole["return_mean"]


def test_kept_rollouts_of_another_number_are_refused(good, tmp_path):
    """A run keeps as many rollouts as its schedule has iterations; a longer schedule would need room for more."""
    teacher, _ = good
    folder = tmp_path / "run"
    run_json("distill", "--teacher", teacher, *PENDULUM, "--algo", "dagger", "--iterations", 4, "--stop-after", 2,
             "--run", folder)
    config = folder / "config.toml"
    config.write_text(config.read_text().replace("iterations = 4 ", "iterations = 6 "))
    line = refused("distill", "--resume", folder)
    assert "keeps 4 rollouts, and config.toml asks for 6; leave train.iterations" in line


def test_kept_rollouts_are_stored_once(good, tmp_path):
    teacher, _ = good
    common = ("distill", "--teacher", teacher, *PENDULUM, "--algo", "dagger", "--iterations", 5, "--finetune", 4,
              "--set", "run.checkpoint_every=1", "--set", "run.checkpoints_kept=2")
    folder = tmp_path / "run"
    run_json(*common, "--run", folder, "--stop-after", 4)
    parts = sorted((folder / "checkpoint_parts").iterdir())
    assert [part.name.split("-")[1] for part in parts] == ["0", "1", "2", "3"]
    samples = 256 * 25
    rollout = samples * (3 + 1) * 4
    assert all(rollout < part.stat().st_size < rollout + 4096 for part in parts)
    tensors = load_file(parts[2])
    assert tensors["rollout-2/label"].shape == (samples,) and np.abs(tensors["rollout-2/label"]).max() <= 1
    checkpoints = sorted((folder / "checkpoint").iterdir())
    sizes = [file.stat().st_size for file in checkpoints]
    assert len(sizes) == 2 and abs(sizes[1] - sizes[0]) < rollout / 10, "they do not grow with the rollouts"
    # What only a training needs is not read by others.
    hidden = folder / "elsewhere"
    shutil.move(parts[1], hidden)
    run_json("eval", "--run", folder, "--episodes", 2)
    line = refused("distill", "--resume", folder)
    assert "rollout-1" in line and "No such file" in line and "no other checkpoint of this run is whole" in line
    shutil.move(hidden, parts[1])
    run_json("distill", "--resume", folder)
    assert not list((folder / "checkpoint_parts").iterdir()), "nobody needs them any more"
    # Nothing of an earlier run stays.
    run_json("distill", "--teacher", teacher, *PENDULUM, "--iterations", 1, "--run", folder, "--force")
    assert not (folder / "checkpoint_parts").exists()


def test_fine_tuning_begins_with_the_best_student(good, tmp_path):
    """Steps that are far too large, so that the last student is not the best; then a training that changes nothing."""
    teacher, _ = good
    for seed in range(1, 6):  # the last of eight is the best now and then, which would show nothing
        folder = tmp_path / f"run-{seed}"
        process = run("distill", "--teacher", teacher, *PENDULUM, "--iterations", 8, "--finetune", 2, "--run", folder,
                      "--set", "distill.learning_rate=0.1", "--set", "distill.schedule=fixed",
                      "--set", "run.validate_every=1", "--set", "run.validation_episodes=20",
                      "--set", "algorithm.learning_rate=0", "--set", "algorithm.schedule=fixed",
                      "--set", "run.checkpoint_every=1", "--set", "run.checkpoints_kept=20", "--seed", seed)
        assert process.returncode == 0, process.stderr
        found = {int(a): float(b)
                 for a, b in re.findall(r"validation after iteration (\d+): return (-?[\d.]+)", process.stderr)}
        students = {iteration: found[iteration] for iteration in range(1, 9)}
        best = max(students, key=students.get)
        if best < 8:
            break
    assert best < 8, "the last student is always the best: this shows nothing"

    def policy(iteration, prefix="policy/"):
        tensors = load_file(folder / "checkpoint" / f"{iteration:09}.safetensors")
        return {name[len(prefix):]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}

    def same(a, b):
        return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)

    assert not same(policy(best), policy(8))
    assert same(policy(9, "policy_before/"), policy(best))
    for iteration in (9, 10):
        assert same(policy(iteration), policy(best)), "weights, standard deviations and normalisation"


def test_the_best_policy_in_validation_is_kept(tmp_path):
    """Of a training too: a learning rate that is far too large, so that the last policy is not the best."""
    settings = ("train", *PENDULUM, "--iterations", 24, "--set", "algorithm.schedule=fixed",
                "--set", "algorithm.learning_rate=0.05", "--set", "run.validate_every=4",
                "--set", "run.validation_episodes=10")
    process = run(*settings, "--run", tmp_path / "whole", "--json")
    assert process.returncode == 0, process.stderr
    said = json.loads(process.stdout)
    found = {int(a): float(b) for a, b in re.findall(r"validation after iteration (\d+): return (-?[\d.]+)", process.stderr)}
    assert list(found) == [4, 8, 12, 16, 20, 24]
    assert found[said["policy_iteration"]] == max(found.values())
    assert len(set(found.values())) > 2, "the policies differ"
    # The run's policy is that one, for every command, whether or not the run was interrupted.
    evaluated = run_json("eval", "--run", tmp_path / "whole", "--episodes", 20)
    assert evaluated["return_mean"] == pytest.approx(said["return_mean"], rel=1e-6)
    run_json(*settings, "--run", tmp_path / "parts", "--stop-after", 10)
    resumed = run_json("train", "--resume", tmp_path / "parts")
    assert resumed["policy_iteration"] == said["policy_iteration"]
    policy = (tmp_path / "whole" / "policy.safetensors").read_bytes()
    assert (tmp_path / "parts" / "policy.safetensors").read_bytes() == policy


def test_a_walking_student_sees_only_its_own_sensors(walker, tmp_path):
    """The teacher sees the base's velocity; the student's policy has no input for it, and its actions do not change
    with it."""
    own = ["base_angular_velocity", "projected_gravity", "joint_position"]
    said = run_json("distill", "--teacher", walker, "--task", "go2-flat", "--iterations", 2, "--num-envs", 64,
                    "--run", tmp_path / "run", "--set", "train.horizon=8", "--set", "run.eval_episodes=4",
                    "--set", f"observations.policy={json.dumps(own)}", "--set", "policy_observation.history=2",
                    "--set", "control.episode=1")
    assert isinstance(said["teacher_return_mean"], float)
    session = onnxruntime.InferenceSession(said["policy_onnx"])
    assert [i.name for i in session.get_inputs()] == ["obs"]
    names = json.loads(session.get_modelmeta().custom_metadata_map["observation_names"])
    assert len(names) == 2 * (3 + 3 + 12)
    assert not any("linear_velocity" in name or "command" in name for name in names)
    weights = load_file(said["policy_safetensors"])
    assert weights["actor.0.weight"].shape[1] == len(names)
    assert np.isfinite(weights["actor.0.weight"]).all()
    # The critic's group of the student's task is not what teaches it: the checkpoint knows both.
    checkpoint = sorted((tmp_path / "run" / "checkpoint").iterdir())[-1]
    tensors = load_file(checkpoint)
    assert "teacher_observation" in tensors and "policy_before/actor.0.weight" in tensors


def test_a_student_that_sees_pictures(good, tmp_path):
    """From pictures alone; and the network's file, run by onnxruntime, does what the evaluation did."""
    teacher, _ = good
    said = run_json("distill", "--teacher", teacher, "--task", "pendulum-pixels", "--iterations", 25, *SMALL,
                    "--set", "distill.epochs=4", "--run", tmp_path / "run")
    # A random policy gets some -1200, and so does one that never looks.
    assert said["return_mean"] > -700
    parts = ["physics", "pictures", "teacher", "inference", "update"]
    assert all(0 < said[f"share_{part}"] < 1 for part in parts) and said["share_constraints"] is None
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    seconds = {part: sum(line[f"seconds_{part}"] for line in lines) for part in [*parts, "rollout"]}
    for part in parts:
        assert said[f"share_{part}"] == pytest.approx(seconds[part] / (seconds["rollout"] + seconds["update"]))
    benched = run_json("bench", "train", "--teacher", teacher, "--task", "pendulum-pixels", "--num-envs", 64,
                       "--seconds", 0.2)
    assert benched["algo"] == "online" and benched["steps"] > 0
    assert all(0 < benched[f"share_{part}"] < 1 for part in parts)
    run_json("eval", "--run", tmp_path / "run", "--episodes", 4, "--trace", tmp_path / "trace.safetensors")
    trace = load_file(tmp_path / "trace.safetensors")
    session = onnxruntime.InferenceSession(said["policy_onnx"])
    pictures = trace["observation"][:, :, :]
    assert pictures.shape[2] == 2 * 16 * 16
    assert pictures.min() == 0 and 0.8 < pictures.max() <= 1, "a rod that is thinner than a pixel"
    for step in (0, 7, 199):
        got = session.run(["action"], {"obs": pictures[step]})[0]
        np.testing.assert_allclose(got, trace["action"][step], atol=2e-5)
    # Two pictures of the same step where the episode begins; then the older one is that of the step before.
    np.testing.assert_array_equal(pictures[0, :, :256], pictures[0, :, 256:])
    np.testing.assert_array_equal(pictures[8, :, :256], pictures[7, :, 256:])
    # The rod's middle, as the picture shows it, is where the state says: half a length from the hinge.
    angle = trace["state"][5, :, 0]
    size = 2.4 / 16
    x = (np.arange(16) + 0.5 - 8) * size
    frame = pictures[5, :, 256:].reshape(4, 16, 16)
    mass = frame.sum(axis=(1, 2))
    np.testing.assert_allclose((frame.sum(axis=1) * x).sum(axis=1) / mass, -0.5 * np.sin(angle), atol=0.06)
    np.testing.assert_allclose((frame.sum(axis=2) * -x).sum(axis=1) / mass, 0.5 * np.cos(angle), atol=0.06)


def test_pictures_that_cannot_be(good, tmp_path):
    teacher, _ = good
    pixels = ("distill", "--teacher", teacher, "--task", "pendulum-pixels", "--run", tmp_path / "never")
    assert "must be a multiple of 16" in refused(*pixels, "--set", "pixels.width=15", "--set", "pixels.height=15")
    line = refused(*pixels, "--set", "network.strides=[8, 2]")
    assert "convolution 2 has a kernel of 3 x 3 pixels, but what it gets has 2 x 2" in line
    assert "does not see a picture" in refused("train", "--task", "pendulum", "--run", tmp_path / "never",
                                              "--set", 'network.modules=["convolution", "dense"]')
    assert not (tmp_path / "never").exists()


def test_auxiliary_losses_are_the_trainings_alone(good, tmp_path):
    """The teacher's hidden layer as a further target: told in the metrics, held in checkpoints, gone on with to the same
    bits, and not in the policy."""
    teacher, _ = good
    common = ("distill", "--teacher", teacher, *PENDULUM, "--algo", "dagger", "--iterations", 6, "--set",
              "distill.latent=0.5")
    whole = run_json(*common, "--run", tmp_path / "whole")
    assert whole["metrics"]["latent_loss"] > 0 and whole["loss"] > 0
    assert "reconstruction_loss" not in whole["metrics"]
    run_json(*common, "--run", tmp_path / "parts", "--stop-after", 3)
    run_json("distill", "--resume", tmp_path / "parts")
    policy = (tmp_path / "whole" / "policy.safetensors").read_bytes()
    assert (tmp_path / "parts" / "policy.safetensors").read_bytes() == policy
    plain = run_json("distill", "--teacher", teacher, *PENDULUM, "--algo", "dagger", "--iterations", 1, "--run",
                     tmp_path / "plain")
    assert "latent_loss" not in plain["metrics"]
    shapes = [{name: tensor.shape for name, tensor in load_file(said["policy_safetensors"]).items()}
              for said in (whole, plain)]
    assert shapes[0] == shapes[1]
    initializers = [{i.name: tuple(i.dims) for i in onnx.load(said["policy_onnx"]).graph.initializer}
                    for said in (whole, plain)]
    assert initializers[0] == initializers[1]
    checkpoint = load_file(sorted((tmp_path / "whole" / "checkpoint").iterdir())[-1])
    latent, features = checkpoint["latent_head.weight"].shape
    assert features == checkpoint["actor.1.weight"].shape[0]
    assert checkpoint["adam_second.latent_head.bias"].shape == (latent,)
    assert latent == load_file(teacher / "policy.safetensors")["actor.1.weight"].shape[0]


def test_what_is_published_can_teach(walker, tmp_path):
    """A folder with config.toml, the robot and policy.onnx, and no checkpoint."""
    published = tmp_path / "published"
    shutil.copytree(walker, published)
    shutil.rmtree(published / "checkpoint")
    run_json("distill", "--teacher", published, "--task", "go2-flat", "--iterations", 1, "--num-envs", 64,
             "--run", tmp_path / "run", "--set", "train.horizon=8", "--set", "run.eval_episodes=4",
             "--set", "control.episode=1")


def test_what_is_refused(good, walker, trained, tmp_path):
    teacher, _ = good
    pendulum = ("distill", *PENDULUM, "--run", tmp_path / "never")

    def because(*arguments):
        line = refused(*arguments)
        assert not (tmp_path / "never").exists(), "something was left behind"
        return line

    assert "--teacher RUN" in because(*pendulum)
    assert "holds no run" in because(*pendulum, "--teacher", tmp_path)
    assert "distill.beta = 1.5 is out of range; it must be from 0 to 1" in because(
        *pendulum, "--teacher", teacher, "--set", "distill.beta=1.5")
    assert "distill.loss = \"l1\" is not known" in because(*pendulum, "--teacher", teacher, "--set", "distill.loss=l1")
    assert "distill.latent = -1 is out of range; it must be from 0 to" in because(
        *pendulum, "--teacher", teacher, "--set", "distill.latent=-1")
    assert "distill.reconstruct: the teacher does not see \"height_scan\"" in because(
        *pendulum, "--teacher", teacher, "--set", "distill.reconstruct=1")
    assert "algo = \"ppo\" teaches no student" in because(*pendulum, "--teacher", teacher, "--algo", "ppo")
    line = because("distill", "--task", "cartpole-swingup", "--run", tmp_path / "never", "--teacher", teacher)
    assert "'pendulum'" in line and "'cartpole-swingup'" in line
    # A run that was killed before its first checkpoint.
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.copy(teacher / "config.toml", empty)
    assert "has no policy yet" in because(*pendulum, "--teacher", empty)
    # `train` teaches nobody.
    assert "stampede distill --teacher RUN" in because("train", *PENDULUM, "--algo", "bc", "--run", tmp_path / "never")
    assert "--finetune with --resume" in because("distill", "--resume", teacher, "--finetune", 3)
    assert "unknown key 'distill'" in because("train", *PENDULUM, "--run", tmp_path / "never", "--set",
                                              "distill.beta=1")
    assert "did you mean 'distill.beta'" in because(*pendulum, "--teacher", teacher, "--set", "distill.betta=1")
    assert "to the teacher the action 'torque' is 0 + 2 x" in because(
        *pendulum, "--teacher", teacher, "--set", "environment.max_torque=6")
    assert "--teacher with --resume" in because("distill", "--resume", teacher, "--teacher", teacher)

    walking = ("distill", "--teacher", walker, "--task", "go2-flat", "--num-envs", 64, "--run", tmp_path / "never")
    assert "action scale" in because(*walking, "--set", "control.action_scale=0.3")
    assert "control step is 0.02 s, that of the task 'go2-flat' is 0.01 s" in because(
        *walking, "--set", "control.decimation=2")
    line = because("distill", "--teacher", walker, "--task", "anymal-flat", "--run", tmp_path / "never")
    assert "go2" in line and "anymal" in line
