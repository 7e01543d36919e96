"""Data sets that the program records, read by the package that users read them with (docs/data_sets.md)."""

import json
import zlib

import numpy as np
import pytest
from program import refused, run_json
from safetensors import safe_open
from safetensors.numpy import load_file

GROUPS = ("observation.policy", "observation.critic")


@pytest.fixture(scope="module")
def walker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("record") / "run"
    run_json("train", "--task", "go2-flat", "--iterations", 1, "--num-envs", 64, "--run", folder,
             "--set", "train.horizon=8", "--set", "run.eval_episodes=4", "--set", "control.episode=1")
    return folder


def test_a_pendulums_episodes(trained, tmp_path):
    folder, _ = trained
    said = run_json("record", "--run", folder, "--out", tmp_path / "set.safetensors", "--episodes", 7)
    assert (said["sequences"], said["steps"]) == (7, 7 * 200)
    data = load_file(tmp_path / "set.safetensors")
    assert data.keys() == {"sequence_begin", "observation.policy", "action", "reward", "ended",
                           "final_observation.policy", "checksum"}
    bytes_ = (tmp_path / "set.safetensors").read_bytes()
    assert zlib.crc32(bytes_[:-4]) == data["checksum"][0] == int.from_bytes(bytes_[-4:], "little")
    assert data["sequence_begin"].dtype == np.int64
    np.testing.assert_array_equal(data["sequence_begin"], np.arange(8) * 200)
    assert data["ended"].dtype == np.uint32
    np.testing.assert_array_equal(np.flatnonzero(data["ended"]), np.arange(1, 8) * 200 - 1)
    assert set(data["ended"][199::200]) == {2}, "a pendulum's time is up; it never falls"
    assert data["final_observation.policy"].shape == (7, 3)
    # The angle's cosine, its sine and the rate, cost of each step: Gymnasium's Pendulum-v1, which the task is.
    cosine, sine, rate = data["observation.policy"].T
    cost = np.arctan2(sine, cosine) ** 2 + 0.1 * rate**2 + 0.001 * data["action"][:, 0] ** 2
    np.testing.assert_allclose(data["reward"], -cost, rtol=1e-4, atol=1e-4)
    returns = data["reward"].reshape(7, 200).sum(axis=1)
    assert returns.mean() == pytest.approx(said["return_mean"], rel=1e-4)
    # It is what an evaluation does.
    assert run_json("eval", "--run", folder, "--episodes", 7)["return_mean"] == pytest.approx(returns.mean(), rel=1e-5)


def test_a_walkers_episodes_of_any_length(walker, tmp_path):
    out = tmp_path / "set.safetensors"
    said = run_json("record", "--run", walker, "--out", out, "--episodes", 40, "--seed", 5)
    data = load_file(out)
    with safe_open(out, "numpy") as file:
        metadata = file.metadata()
    begin, steps = data["sequence_begin"], said["steps"]
    assert (begin[0], begin[-1], len(begin)) == (0, steps, 41)
    lengths = np.diff(begin)
    assert lengths.min() >= 1 and lengths.max() <= 50
    np.testing.assert_array_equal(np.flatnonzero(data["ended"]) + 1, begin[1:])
    assert set(data["ended"][begin[1:] - 1]) == {1, 2}, "some fall, some do not"
    assert (lengths[data["ended"][begin[1:] - 1] == 2] == 50).all()
    for name in (*GROUPS, "action", "violation"):
        assert len(data[name]) == steps
    assert data["reward"].shape == (steps,)
    assert metadata["format"] == "stampede data set 1" and int(metadata["steps"]) == steps
    names = json.loads(metadata["observation_names"])
    assert data["observation.policy"].shape[1] == len(names)
    assert json.loads(metadata["observation_names.policy"]) == names
    assert data["observation.critic"].shape[1] == len(json.loads(metadata["observation_names.critic"]))
    # What is said of the last action is the one that was recorded a step before.
    last = [i for i, name in enumerate(names) if name.startswith("last_action")]
    inside = np.setdiff1d(np.arange(1, steps), begin)
    centre, scale = (np.array(json.loads(metadata[key])) for key in ("action_centre", "action_scale"))
    np.testing.assert_allclose(data["observation.policy"][inside][:, last] * scale + centre,
                               data["action"][inside - 1], atol=1e-4)
    # Raw violations, constraint by constraint; some apply at every step, others only at some.
    constraints = json.loads(metadata["constraints"])
    assert sum(each["columns"] for each in constraints) == data["violation"].shape[1]
    applied = data["violation"] > float(metadata["not_applied"])
    assert applied.all(axis=0).any() and not applied.all()
    assert (data["violation"] > 0).any() and (data["violation"][applied] < 0).any()
    assert data["final_observation.critic"].shape == (40, data["observation.critic"].shape[1])


def test_the_same_seed_records_the_same(walker, tmp_path):
    for name, seed, threads in (("a", 5, 1), ("b", 5, 2), ("c", 6, 2)):
        run_json("record", "--run", walker, "--out", tmp_path / f"{name}.safetensors", "--episodes", 9, "--seed", seed,
                 "--threads", threads)
    a, b, c = ((tmp_path / f"{name}.safetensors").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_mistakes_are_one_line(walker, tmp_path):
    out = tmp_path / "set.safetensors"
    assert ".safetensors" in refused("record", "--run", walker, "--out", tmp_path / "set.npz")
    assert "--episodes 0" in refused("record", "--run", walker, "--out", out, "--episodes", 0)
    assert "from 1 to" in refused("record", "--run", walker, "--out", out, "--episodes", 2000000)
    assert "--run" in refused("record", "--out", out)
    out.write_text("mine")
    assert "--force" in refused("record", "--run", walker, "--out", out)
    assert out.read_text() == "mine"
    run_json("record", "--run", walker, "--out", out, "--episodes", 2, "--force")
    assert load_file(out)["sequence_begin"].shape == (3,)
