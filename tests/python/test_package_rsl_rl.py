"""The tasks as environments of rsl_rl, which brings PyTorch and is in no requirements: skipped where it is not installed."""

import json
import pathlib
import subprocess
import sys

import numpy
import pytest

pytest.importorskip("rsl_rl", reason="no rsl_rl; `pip install rsl-rl-lib` brings it, and 5 GB")
torch = pytest.importorskip("torch")
stampede = pytest.importorskip("stampede", reason="built without STAMPEDE_PYTHON_PACKAGE")
ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_steps_are_those_of_the_vector_environment():
    from stampede.rsl_rl import VecEnv

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


def test_the_example_trains():
    process = subprocess.run([sys.executable, ROOT / "docs/example/train_with_rsl_rl.py", "pendulum", "2", "--num-envs", "32"],
                             capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    said = json.loads(process.stdout.splitlines()[-1])
    assert said["steps"] == 2 * 24 * 32 and said["return_trained"] < 0
