"""The flags that every command has."""

import pytest
from program import refused, run_json

SHARED = ["--seed", "3", "--config", "any.toml", "--set", "train.horizon=16", "--set", "algorithm.gamma=0.9", "--force"]


@pytest.mark.parametrize("command", ["list", "info"])
def test_commands_without_settings_take_the_shared_flags(command):
    assert run_json(command, *SHARED, "--device", "cpu", "--threads", 1)["command"] == command


def test_export_takes_the_shared_flags(trained, tmp_path):
    out = tmp_path / "policy.onnx"
    run_json("export", "--run", trained[0], "--out", out, *SHARED)
    assert out.stat().st_size > 0


def test_bench_takes_force():
    run_json("bench", "env", "--task", "pendulum", "--num-envs", 256, "--seconds", 0.05, "--force")


def test_a_shared_flag_needs_its_value():
    assert "--seed" in refused("list", "--seed")


@pytest.mark.parametrize("threads", ["0", "-1", "4097"])
def test_threads_out_of_range(threads):
    assert "it must be from 1 to 4096" in refused("info", "--threads", threads)


def test_threads_are_all_cores_unless_given():
    assert run_json("info", "--device", "cpu")["threads"] >= 1
    assert run_json("info", "--device", "cpu", "--threads", 1)["threads"] == 1
