"""The files of a run, read by the packages that users read them with."""

import json
import os
import subprocess
import tomllib
import zlib

import kernels
import numpy as np
import onnx
import onnxruntime
import program
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def session_of(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def metrics_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_onnx_is_valid_and_says_what_it_is(trained):
    folder, _ = trained
    model = onnx.load(str(folder / "policy.onnx"))
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == 17
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata["task"] == "pendulum"
    assert len(json.loads(metadata["observation_names"])) == 3
    assert len(json.loads(metadata["action_names"])) == 1
    assert float(metadata["control_dt"]) == pytest.approx(0.05)
    session = session_of(folder / "policy.onnx")
    assert [entry.name for entry in session.get_inputs()] == ["obs"]
    assert [entry.name for entry in session.get_outputs()] == ["action"]


def policy_in_numpy(folder, observations):
    """The policy from the raw weights, in double precision."""
    raw = {name: array.astype(np.float64) for name, array in load_file(folder / "policy.safetensors").items()}
    with safe_open(folder / "policy.safetensors", "numpy") as file:
        metadata = file.metadata()
    clip = float(metadata["observation_clip"])
    x = (observations - raw["observation_mean"]) / np.sqrt(raw["observation_variance"] + 1e-8)
    x = np.clip(x, -clip, clip)
    activation = {
        "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        "tanh": np.tanh,
        "relu": lambda z: np.maximum(z, 0),
        "silu": lambda z: z / (1 + np.exp(-z)),
    }[metadata["activation"]]
    layers = sum(name.startswith("actor.") and name.endswith(".weight") for name in raw)
    for i in range(layers):
        x = x @ raw[f"actor.{i}.weight"].T + raw[f"actor.{i}.bias"]
        if i + 1 < layers:
            x = activation(x)
    return np.clip(x * raw["action_scale"] + raw["action_centre"], raw["action_low"], raw["action_high"])


@pytest.mark.parametrize("activation", ["elu", "tanh", "relu", "silu"])
def test_onnx_is_the_raw_weights(activation, tmp_path):
    folder = tmp_path / "run"
    program.run_json("train", "--task", "double-pendulum", "--iterations", 2, "--num-envs", 64, "--run", folder,
                     "--set", f"network.activation={activation}", "--set", "network.actor=[17, 5]")
    session = session_of(folder / "policy.onnx")
    count = session.get_inputs()[0].shape[1]
    random = np.random.default_rng(1)
    for batch in (1, 7, 1000):
        observations = random.normal(size=(batch, count), scale=3).astype(np.float32)
        action = session.run(["action"], {"obs": observations})[0]
        error = np.abs(action - policy_in_numpy(folder, observations)).max()
        assert error <= 1e-5


def test_onnx_gives_the_actions_of_eval(trained, tmp_path):
    folder, _ = trained
    trace = tmp_path / "trace.safetensors"
    program.run_json("eval", "--run", folder, "--episodes", 20, "--trace", trace)
    arrays = load_file(trace)
    observations = arrays["observation"].reshape(-1, arrays["observation"].shape[-1])[:2000]
    actions = arrays["action"].reshape(-1, arrays["action"].shape[-1])[:2000]
    active = arrays["active"].reshape(-1)[:2000].astype(bool)
    assert active.sum() >= 1000
    exported = session_of(folder / "policy.onnx").run(["action"], {"obs": observations})[0]
    assert np.abs(exported - actions)[active].max() <= 1e-5
    assert np.ptp(actions[active]) > 0.1


def test_eval_of_the_exported_file_agrees(trained):
    folder, said = trained
    of_run = program.run_json("eval", "--run", folder)
    of_file = program.run_json("eval", "--policy", folder / "policy.onnx", "--task", "pendulum")
    assert of_run["return_mean"] == pytest.approx(said["return_mean"], rel=1e-12)  # the same starts, seed 1
    assert of_file["return_mean"] == pytest.approx(of_run["return_mean"], rel=2e-2)


def test_safetensors_names_and_shapes(trained):
    folder, _ = trained
    arrays = load_file(folder / "policy.safetensors")
    assert arrays["actor.0.weight"].shape[1] == 3
    assert arrays["actor.0.bias"].shape == arrays["actor.0.weight"].shape[:1]
    assert arrays["observation_mean"].shape == (3,)
    assert arrays["observation_variance"].shape == (3,)
    assert arrays["log_std"].shape == (1,)


def test_checkpoints_are_safetensors_with_a_checksum(trained):
    folder, said = trained
    files = sorted((folder / "checkpoint").iterdir())
    assert len(files) == 3
    newest = files[-1]
    assert int(newest.stem) == said["iterations"]
    arrays = load_file(newest)
    assert arrays["checksum"].dtype == np.uint32
    assert int(arrays["checksum"][0]) == zlib.crc32(newest.read_bytes()[:-4])


def test_export_writes_the_same_files(trained, tmp_path):
    folder, _ = trained
    for name in ("policy.onnx", "policy.safetensors"):
        program.run_json("export", "--run", folder, "--out", tmp_path / name)
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_metrics_and_events_agree(trained):
    folder, said = trained
    lines = metrics_of(folder)
    assert [line["iteration"] for line in lines] == list(range(1, 13))
    assert lines[-1]["steps"] == said["steps"]
    events = EventAccumulator(str(folder))
    events.Reload()
    scalars = events.Scalars("update/learning_rate")
    assert [event.step for event in scalars] == list(range(1, 13))
    for event, line in zip(scalars, lines):
        assert event.value == pytest.approx(line["learning_rate"], rel=1e-6)
    returns = {event.step: event.value for event in events.Scalars("episode/return_mean")}
    for line in lines:
        if line["episodes"] > 0:
            assert returns[line["iteration"]] == pytest.approx(line["return_mean"], rel=1e-5)


def test_events_go_on_after_resume(tmp_path):
    folder = tmp_path / "run"
    program.run_json("train", "--task", "pendulum", "--iterations", 6, "--num-envs", 256, "--stop-after", 4,
                     "--run", folder)
    program.run_json("train", "--resume", folder)
    events = EventAccumulator(str(folder))
    events.Reload()
    assert [event.step for event in events.Scalars("loss/policy")] == [1, 2, 3, 4, 5, 6]
    assert len(list(folder.glob("*tfevents*"))) == 1


def test_config_is_fully_resolved_and_reads_back(trained, tmp_path):
    folder, said = trained
    config = tomllib.loads((folder / "config.toml").read_text())
    assert config["task"] == "pendulum"
    assert config["train"]["iterations"] == 12
    assert config["train"]["num_envs"] == said["num_envs"]
    assert {"train", "algorithm", "network", "run", "environment"} <= set(config)
    again = program.run_json("train", "--config", folder / "config.toml", "--run", tmp_path / "again")
    assert (tmp_path / "again" / "config.toml").read_text() == (folder / "config.toml").read_text()
    assert (tmp_path / "again" / "policy.onnx").read_bytes() == (folder / "policy.onnx").read_bytes()
    assert again["return_mean"] == said["return_mean"]


def test_curve_is_a_picture(trained):
    folder, said = trained
    assert (folder / "curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert said["curve"] == str(folder / "curve.png")


def test_system_names_machine_commit_and_build(trained):
    folder, _ = trained
    system = json.loads((folder / "system.json").read_text())
    for key in ("time", "command_line", "version", "commit", "build", "compiler", "device", "instruction_set", "threads"):
        assert system[key], key
    assert system["machine"]["cpu"] and system["machine"]["cores"] >= 1


def test_onnx_of_a_network_with_a_state_carries_it_by_name(tmp_path):
    subprocess.run([os.path.join(kernels.FOLDER, "policy_with_state"), tmp_path], check=True)
    model = onnx.load(str(tmp_path / "policy.onnx"))
    onnx.checker.check_model(model, full_check=True)
    session = session_of(tmp_path / "policy.onnx")
    state_in, state_out = "state_in_actor.leaky_integrator", "state_out_actor.leaky_integrator"
    assert [entry.name for entry in session.get_inputs()] == ["obs", state_in]
    assert [entry.name for entry in session.get_outputs()] == ["action", state_out]

    trace = load_file(tmp_path / "trace.safetensors")
    steps, episodes, _ = trace["observation"].shape
    state = np.zeros((episodes, 2), np.float32)
    without = []
    for step in range(steps):
        observation = trace["observation"][step]
        active = trace["active"][step] > 0
        action, state = session.run(["action", state_out], {"obs": observation, state_in: state})
        np.testing.assert_allclose(action[active], trace["action"][step][active], atol=2e-6)
        forgetful = session.run(["action"], {"obs": observation, state_in: np.zeros_like(state)})[0]
        without.append(np.abs(forgetful - action)[active])
    assert np.concatenate(without).max() > 1e-3, "the state matters"


GRU = ["--task", "pendulum", "--num-envs", 64, "--iterations", 6, "--set", 'network.modules=["gru","dense"]',
       "--set", "network.gru=24", "--set", "network.window=5", "--set", "network.actor=[16]"]


@pytest.fixture(scope="module")
def trained_gru(tmp_path_factory):
    """The folder of a short run whose networks have a GRU."""
    folder = tmp_path_factory.mktemp("gru") / "run"
    program.run_json("train", *GRU, "--run", folder)
    return folder


def test_a_gru_in_onnxruntime_step_by_step_is_what_eval_does(trained_gru, tmp_path):
    """One session goes through the episodes of an evaluation, one after the other, with zeros where each begins."""
    trace = tmp_path / "trace.safetensors"
    program.run_json("eval", "--run", trained_gru, "--episodes", 5, "--trace", trace)
    arrays = load_file(trace)
    model = onnx.load(str(trained_gru / "policy.onnx"))
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == 17
    session = session_of(trained_gru / "policy.onnx")
    state_in, state_out = "state_in_actor.gru", "state_out_actor.gru"
    assert [entry.name for entry in session.get_inputs()] == ["obs", state_in]
    assert [entry.name for entry in session.get_outputs()] == ["action", state_out]
    assert session.get_inputs()[1].shape[1] == 24

    errors, memory = [], []
    for episode in range(5):
        state = np.zeros((1, 24), np.float32)
        for step in range(arrays["observation"].shape[0]):
            if not arrays["active"][step, episode]:
                break
            observation = arrays["observation"][step, episode : episode + 1]
            action, state = session.run(["action", state_out], {"obs": observation, state_in: state})
            errors.append(np.abs(action[0] - arrays["action"][step, episode]).max())
            forgetful = session.run(["action"], {"obs": observation, state_in: np.zeros_like(state)})[0]
            memory.append(np.abs(forgetful - action).max())
    assert len(errors) >= 500
    assert np.max(errors) <= 1e-4
    assert np.max(memory) > 1e-3, "the state matters"


def test_a_gru_in_onnxruntime_takes_batches(trained_gru):
    session = session_of(trained_gru / "policy.onnx")
    random = np.random.default_rng(1)
    given = {"obs": random.normal(size=(33, 3)).astype(np.float32),
             "state_in_actor.gru": random.uniform(-1, 1, (33, 24)).astype(np.float32)}
    together = session.run(None, given)
    for row in range(33):
        alone = session.run(None, {name: value[row : row + 1] for name, value in given.items()})
        for one, many in zip(alone, together):
            assert np.abs(one[0] - many[row]).max() <= 1e-5


def test_a_gru_in_policy_safetensors(trained_gru, tmp_path):
    arrays = load_file(trained_gru / "policy.safetensors")
    assert arrays["actor.gru.weight_ih"].shape == (72, 3)
    assert arrays["actor.gru.weight_hh"].shape == (72, 24)
    assert arrays["actor.gru.bias_ih"].shape == arrays["actor.gru.bias_hh"].shape == (72,)
    with safe_open(trained_gru / "policy.safetensors", "numpy") as file:
        modules = json.loads(file.metadata()["modules"])
    assert [entry["kind"] for entry in modules] == ["gru", "dense"]
    assert (modules[0]["gru"], modules[0]["states"]) == (24, 24)
    for name in ("policy.onnx", "policy.safetensors"):
        program.run_json("export", "--run", trained_gru, "--out", tmp_path / name)
        assert (tmp_path / name).read_bytes() == (trained_gru / name).read_bytes()


def test_a_run_with_a_gru_goes_on_bit_for_bit(trained_gru, tmp_path):
    program.run_json("train", *GRU, "--stop-after", 2, "--run", tmp_path / "run")
    program.run_json("train", "--resume", tmp_path / "run")
    assert (tmp_path / "run" / "policy.safetensors").read_bytes() == (trained_gru / "policy.safetensors").read_bytes()
