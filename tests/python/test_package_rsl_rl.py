"""The tasks as environments of rsl_rl, which brings PyTorch and is in no requirements: skipped where it is not installed."""

import json
import pathlib
import subprocess
import sys

import numpy
import pytest

rsl_rl = pytest.importorskip("rsl_rl.runners", reason="no rsl_rl; `pip install rsl-rl-lib` brings it, and 5 GB")
torch = pytest.importorskip("torch")
stampede = pytest.importorskip("stampede", reason="built without STAMPEDE_PYTHON_PACKAGE")
from stampede.rsl_rl import VecEnv  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_steps_are_those_of_the_vector_environment():
    settings = {"control.episode": 0.2}
    env = VecEnv("go2-flat", 4, seed=3, set=settings)
    other = stampede.VectorEnv("go2-flat", 4, seed=3, set=settings, actions="network", random_initial_phase=True)
    seen, info = other.reset()
    generator = numpy.random.default_rng(1)
    ended = timed_out = 0
    for _ in range(25):
        assert set(env.get_observations().keys()) == {"policy", "critic"}
        numpy.testing.assert_array_equal(env.get_observations()["policy"].numpy(), seen)
        numpy.testing.assert_array_equal(env.get_observations()["critic"].numpy(), info["critic"])
        actions = generator.normal(size=(4, 12)).astype(numpy.float32)
        kept, rewards, done, extras = env.step(torch.from_numpy(actions))
        seen, expected, terminations, truncations, info = other.step(actions)
        numpy.testing.assert_array_equal(rewards.numpy(), expected)
        numpy.testing.assert_array_equal(done.numpy() != 0, terminations | truncations)
        numpy.testing.assert_array_equal(extras["time_outs"].numpy(), truncations)
        assert extras["log"]["/violated/foot_force"] == (info["violations"]["foot_force"] > 0).mean()
        assert (env.episode_length_buf[done != 0] == 0).all()
        before = kept["policy"].clone()
        ended += int(done.sum())
        timed_out += int(truncations.sum())
    env.step(torch.zeros(4, 12))
    assert (kept["policy"] == before).all()  # a runner keeps what it saw
    assert ended >= timed_out > 4
    with pytest.raises(stampede.InputError, match="init_at_random_ep_len=False"):
        env.episode_length_buf = torch.zeros(4)


def runner_of(env, **actor):
    """As the example's, untrained."""
    sys.path.insert(0, str(ROOT / "docs/example"))
    from train_with_rsl_rl import configuration

    torch.manual_seed(1)
    given = configuration(env, 1)
    given["actor"] = {**given["actor"], **actor}
    return rsl_rl.OnPolicyRunner(env, given, log_dir=None)


def test_a_policy_is_written_as_it_acts(tmp_path):
    env = VecEnv("go2-flat", 64)
    runner = runner_of(env)
    runner.learn(1)
    policy = runner.get_inference_policy()
    env.save_policy(tmp_path / "policy.onnx", policy)
    seen = env.get_observations()
    task = env.env._task
    with torch.inference_mode():
        actions = policy(seen).numpy() * task.action_scale + task.action_centre
    numpy.testing.assert_allclose(stampede.load(tmp_path / "policy.onnx").act(seen["policy"].numpy()),
                                  numpy.clip(actions, task.action_low, task.action_high), atol=1e-4)
    other = runner_of(env, distribution_cfg={"class_name": "HeteroscedasticGaussianDistribution"}).get_inference_policy()
    with pytest.raises(stampede.InputError, match="a MLPModel is given that cannot be written"):
        env.save_policy(tmp_path / "other.onnx", other)


def test_the_example_trains(tmp_path):
    command = [sys.executable, ROOT / "docs/example/train_with_rsl_rl.py", "pendulum", "2", "--num-envs", "32"]
    process = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    said = json.loads(process.stdout.splitlines()[-1])
    assert said["steps"] == 2 * 24 * 32 and 0 < said["share_of_simulation"] < 1
    assert said["evaluation"]["return_mean"] == stampede.evaluate(tmp_path / "policy.onnx")["return_mean"] < 0
