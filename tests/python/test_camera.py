"""Robots with a depth camera: from a run's folder to its policy files, films and scenes."""

import json

import mujoco
import numpy as np
import PIL.Image
import pytest
from program import refused, run_json

SEES = ["--set", 'observations.policy=["depth", "joint_position", "joint_velocity", "command", "last_action"]',
        "--set", "camera.width=8", "--set", "camera.height=6", "--set", "camera.position=[0.34, 0, 0.04]",
        "--set", 'network.modules=["convolution", "gru", "dense"]', "--set", "network.channels=[16]",
        "--set", "network.kernels=[3]", "--set", "network.strides=[2]", "--set", "network.gru=16",
        "--set", "network.window=4", "--set", "symmetry.mirror=false"]
ROUGH = ["--set", 'terrain.kinds=["stairs-up", "crawl"]', "--set", "terrain.levels=2", "--set", "terrain.columns=2",
         "--set", "terrain.start_levels=2"]


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    """A run of a Go2 that sees, hardly trained."""
    run = tmp_path_factory.mktemp("camera") / "run"
    run_json("train", "--task", "go2-flat", *SEES, *ROUGH, "--iterations", 2, "--num-envs", 64, "--run", run,
             "--set", "train.horizon=8", "--set", "algorithm.minibatch=128", "--set", "run.eval_episodes=4",
             "--set", "control.episode=1")
    return run


def test_policies_with_a_state_are_read_from_safetensors(seeing):
    weights, onnx = seeing / "policy.safetensors", seeing / "policy.onnx"
    config = ["--config", seeing / "config.toml"]
    ours = run_json("eval", "--run", seeing, "--episodes", 6)
    read = run_json("eval", "--policy", weights, *config, "--episodes", 6)
    assert read["return_mean"] == ours["return_mean"]
    assert "policy.safetensors" in refused("eval", "--policy", onnx, *config)
    damaged = seeing / "damaged.safetensors"
    damaged.write_bytes(weights.read_bytes()[:-5])
    assert "damaged.safetensors" in refused("eval", "--policy", damaged, *config)
    damaged.unlink()


def test_another_camera_is_noted(seeing):
    plain = run_json("eval", "--run", seeing, "--episodes", 4)
    turned = run_json("eval", "--run", seeing, "--episodes", 4, "--set", "camera.pitch=0.8")
    assert not [note for note in plain["notes"] if "camera" in note]
    assert len([note for note in turned["notes"] if "the policy was trained with the camera" in note]) == 1
    assert turned["return_mean"] != plain["return_mean"]


def test_a_film_of_what_it_sees(seeing, tmp_path):
    small = ["--width", 96, "--height", 60, "--seconds", 0.5]
    run_json("play", "--run", seeing, "--camera", "--out", tmp_path / "seen.png", *small)
    said = run_json("play", "--run", seeing, "--out", tmp_path / "plain.png", *small)
    seen, plain = (np.asarray(PIL.Image.open(tmp_path / name)) for name in ("seen.png", "plain.png"))
    assert plain.shape[:2] == (60, said["frames"] * 96)
    assert seen.shape[:2] == (60, said["frames"] * (96 + 80)), "a picture of 8 x 6 pixels, 60 high, beside each frame"
    first = seen[:, 96:176].astype(int)
    assert (first[..., 0] == first[..., 1]).all() and first.std() > 5
    blocks = first[..., 0].reshape(6, 10, 8, 10)
    assert (blocks == blocks[:, :1, :, :1]).all(), "its pixels are squares"


def test_only_policies_with_a_camera_can_show_it(tmp_path):
    assert "sees nothing" in refused("play", "--robot", "go2", "--camera", "--out", tmp_path / "a.png")
    run_json("train", "--task", "pendulum", "--iterations", 1, "--run", tmp_path / "run")
    assert "sees no picture" in refused("play", "--run", tmp_path / "run", "--camera", "--out", tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_the_scene_for_mujoco(seeing, tmp_path):
    run_json("export", "--run", seeing, "--out", tmp_path / "scene.mjb")
    scene = mujoco.MjModel.from_binary_path(str(tmp_path / "scene.mjb"))
    run_json("export", "--run", seeing, "--out", tmp_path / "one.mjb", "--set", "terrain.columns=1", "--set",
             "terrain.levels=1", "--set", 'terrain.kinds=["crawl"]', "--set", "terrain.start_levels=1")
    one = mujoco.MjModel.from_binary_path(str(tmp_path / "one.mjb"))
    assert scene.nu == one.nu == 12
    assert scene.nhfield == one.nhfield == 1

    def boxes(model):
        return int((model.geom_bodyid[model.geom_type == mujoco.mjtGeom.mjGEOM_BOX] == 0).sum())

    assert boxes(scene) > boxes(one) > 0
    # As text the same: every number of the robot and of the ground.
    run_json("export", "--run", seeing, "--out", tmp_path / "scene.xml")
    text = mujoco.MjModel.from_xml_path(str(tmp_path / "scene.xml"))
    for name in ("body_mass", "body_inertia", "body_pos", "geom_pos", "geom_size", "geom_friction", "geom_type",
                 "hfield_data", "hfield_size", "actuator_gainprm", "actuator_biasprm", "actuator_forcerange", "dof_damping",
                 "jnt_range", "key_qpos"):
        np.testing.assert_allclose(getattr(text, name), getattr(scene, name), rtol=1e-6, atol=1e-7, err_msg=name)
    assert text.opt.timestep == scene.opt.timestep and text.opt.cone == scene.opt.cone
    with pytest.raises(AssertionError):  # it exists
        run_json("export", "--run", seeing, "--out", tmp_path / "one.mjb")


def test_a_pendulum_is_no_scene(tmp_path):
    run_json("train", "--task", "pendulum", "--iterations", 1, "--run", tmp_path / "run")
    assert "no robot" in refused("export", "--run", tmp_path / "run", "--out", tmp_path / "scene.mjb")
    assert not (tmp_path / "scene.mjb").exists()
    assert ".onnx, .safetensors, .xml or .mjb" in refused("export", "--run", tmp_path / "run", "--out", tmp_path / "scene.txt")


def test_the_policy_tells_of_its_camera(seeing):
    import onnx

    facts = {entry.key: entry.value for entry in onnx.load(seeing / "policy.onnx").metadata_props}
    camera = json.loads(facts["camera"])
    assert (camera["width"], camera["height"], camera["every"], camera["latency"]) == (8, 6, 5, 1)
    assert json.loads(facts["observation_names"])[:2] == ["depth.0.0", "depth.0.1"]
