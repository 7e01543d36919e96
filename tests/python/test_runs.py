"""Runs and policies of a small dog: what they need, what they notice, what they are matched by."""

import json
import pathlib
import shutil

import numpy as np
import pytest
from program import refused, run, run_json
from safetensors.numpy import load_file

DATA = pathlib.Path(__file__).parent.parent / "data"
DOG = (DATA / "tinydog.xml").read_text()
WALK = 'extends = "legged-flat"\n[control]\nrobot = "tinydog.xml"\n'
SMALL = ["--num-envs", 32, "--iterations", 2, "--set", "run.eval_episodes=4", "--set", "train.horizon=8", "--set",
         "control.episode=1"]
FIGURES = ("return_mean", "episode_length_mean", "tracking_error_linear", "cost_of_transport")


def put(folder, dog=DOG, **files):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tinydog.xml").write_text(dog)
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)


# Whatever is done with this dog: its legs are not kept from each other.
OF_THE_DOG = "parts of the robot pass through each other"


def notes_of(said):
    """What was noted, by --json or on stderr."""
    notes = said["notes"] if isinstance(said, dict) else said.stderr.splitlines()
    assert sum(OF_THE_DOG in note for note in notes) == 1, notes
    return [note for note in notes if OF_THE_DOG not in note and "running on the CPU" not in note]


@pytest.fixture(scope="module")
def walker(tmp_path_factory):
    """A run, and the folder that its task came from."""
    folder = tmp_path_factory.mktemp("dog")
    put(folder / "task", walk=WALK)
    said = run_json("train", "--task", "task/walk.toml", "--run", "run", *SMALL, cwd=folder)
    assert notes_of(said) == []
    return folder


def copy_of(walker, to):
    shutil.copytree(walker, to)
    return to


def test_a_resumed_run_of_two_parents_is_the_straight_one(tmp_path):
    rough = """extends = ["legged-flat", "legged-rough"]
[control]
robot = "tinydog.xml"
feet = ["lf_foot", "rf_foot", "lh_foot", "rh_foot"]
# legged-rough alters these two only
[constraints.foot_force]
quantity = "foot_force"
limit = 250
[constraints.trot]
quantity = "diagonal_feet"
limit = 0
"""
    put(tmp_path, rough=rough)
    train = ["train", "--task", "rough.toml", "--num-envs", 64, "--iterations", 6, "--set", "run.eval_episodes=4",
             "--set", 'terrain.kinds=["rough"]', "--set", "terrain.levels=2", "--set", "terrain.columns=2"]
    assert run(*train, "--run", "straight", cwd=tmp_path).returncode == 0
    assert run(*train, "--run", "resumed", "--stop-after", 3, cwd=tmp_path).returncode == 0
    # Nothing outside the run's folder is needed.
    for name in ("rough.toml", "tinydog.xml"):
        (tmp_path / name).unlink()
    (tmp_path / "resumed").rename(tmp_path / "elsewhere")
    assert run("train", "--resume", "elsewhere", cwd=tmp_path).returncode == 0
    for name in ("policy.safetensors", "config.toml"):
        assert (tmp_path / "straight" / name).read_bytes() == (tmp_path / "elsewhere" / name).read_bytes(), name
    assert "\nextends = []" in (tmp_path / "straight" / "config.toml").read_text()


def test_a_run_of_an_earlier_build_goes_on(tmp_path):
    """tests/data/earlier_run: of commit 7f989cf, whose networks were dense layers and nothing else, two iterations of
    `train --task pendulum --num-envs 8 --iterations 4 --stop-after 2 --set train.horizon=8 --set network.actor=[8]
    --set network.critic=[8] --set algorithm.minibatch=32 --set run.eval_episodes=2`, with AVX2."""
    shutil.copytree(DATA / "earlier_run", tmp_path / "run")
    assert run_json("eval", "--run", tmp_path / "run", "--episodes", 2)["episodes"] == 2
    assert run_json("train", "--resume", tmp_path / "run")["iterations"] == 4
    run_json("train", "--task", "pendulum", "--num-envs", 8, "--iterations", 4, "--run", tmp_path / "straight",
             "--set", "train.horizon=8", "--set", "network.actor=[8]", "--set", "network.critic=[8]",
             "--set", "algorithm.minibatch=32", "--set", "run.eval_episodes=2")
    resumed, straight = (load_file(tmp_path / run / "policy.safetensors") for run in ("run", "straight"))
    assert resumed.keys() == straight.keys()
    for name, array in straight.items():  # other instruction sets round otherwise
        np.testing.assert_allclose(resumed[name], array, rtol=1e-2, atol=1e-4, err_msg=name)


def test_a_run_needs_no_file_of_its_task(tmp_path):
    put(tmp_path, base=WALK, slow='extends = "base.toml"\n[commands]\nx = [-0.2, 0.6]\n')
    assert run("train", "--task", "slow.toml", "--run", "run", *SMALL, "--stop-after", 1, cwd=tmp_path).returncode == 0
    (tmp_path / "base.toml").rename(tmp_path / "renamed.toml")
    evaluated = run("eval", "--run", "run", cwd=tmp_path)
    assert evaluated.returncode == 0 and notes_of(evaluated) == [], evaluated.stderr
    assert run("export", "--run", "run", "--out", "p.onnx", cwd=tmp_path).returncode == 0
    assert run_json("train", "--resume", "run", cwd=tmp_path)["finished"]
    assert run("play", "--run", "run", "--out", "p.png", "--seconds", 0.2, cwd=tmp_path).returncode == 0
    # A new training from it is the same training.
    assert run("train", "--config", "run/config.toml", "--run", "again", cwd=tmp_path).returncode == 0
    for name in ("policy.safetensors", "config.toml"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "run" / name).read_bytes(), name


def test_a_robot_that_changed_is_noticed(walker, tmp_path):
    folder = copy_of(walker, tmp_path / "dog")
    before = run_json("eval", "--run", "run", cwd=walker)
    # The copies' original is the one in `walker`; this run's is made here.
    assert run("train", "--task", "task/walk.toml", "--run", "other", *SMALL, "--stop-after", 1, cwd=folder).returncode == 0
    (folder / "task" / "tinydog.xml").write_text(DOG.replace('mass="8"', 'mass="16"'))
    for arguments in (["eval", "--run", "other"], ["train", "--resume", "other"],
                      ["export", "--run", "other", "--out", "p.onnx"],
                      ["eval", "--policy", "other/policy.onnx", "--config", "other/config.toml"]):
        process = run(*arguments, cwd=folder)
        assert process.returncode == 0, process.stderr
        said = [line for line in process.stderr.splitlines() if "has changed" in line]
        assert len(said) == 1 and "task/tinydog.xml" in said[0] and "other/trained_robot" in said[0], process.stderr
    said = run_json("eval", "--run", "other", cwd=folder)
    assert len(notes_of(said)) == 1 and "has changed" in notes_of(said)[0]
    # It goes on with what it was trained with: the same figures as of the run whose robot nobody touched.
    assert [said[key] for key in FIGURES] == [before[key] for key in FIGURES]
    heavier = run_json("eval", "--run", "other", "--set", "control.robot=task/tinydog.xml", cwd=folder)
    assert notes_of(heavier) == [] and heavier["return_mean"] != before["return_mean"]
    # The run's own copy is not to be changed.
    copy = folder / "other" / "trained_robot" / "tinydog.xml"
    copy.write_text(copy.read_text().replace('mass="8"', 'mass="16"'))
    for arguments in (["eval", "--run", "other"], ["train", "--resume", "other"]):
        assert "trained_robot/tinydog.xml: has changed" in refused(*arguments, cwd=folder)


def test_the_solver_options_of_a_file_do_not_count(walker, tmp_path):
    folder = copy_of(walker, tmp_path / "dog")
    option = '<option iterations="1" ls_iterations="4"/>'
    (folder / "hasty").mkdir()
    (folder / "hasty" / "tinydog.xml").write_text(DOG.replace("<worldbody>", option + "<worldbody>", 1))
    sound = run_json("eval", "--run", "run", "--simulator", "mujoco", cwd=folder)
    hasty = run_json("eval", "--run", "run", "--simulator", "mujoco", "--set", "control.robot=hasty/tinydog.xml", cwd=folder)
    assert [hasty[key] for key in FIGURES] == [sound[key] for key in FIGURES]
    assert notes_of(sound) == []
    assert len(notes_of(hasty)) == 1 and 'iterations="1"' in notes_of(hasty)[0]
    process = run("eval", "--run", "run", "--set", "control.robot=hasty/tinydog.xml", cwd=folder)
    assert sum('ls_iterations="4"' in line for line in notes_of(process)) == 1, process.stderr


def test_joints_are_matched_by_name(walker, tmp_path):
    folder = copy_of(walker, tmp_path / "dog")
    # The same dog with its front legs listed the other way round.
    left, right, hind = (DOG.index(f'      <body name="{leg}_hip"') for leg in ("lf", "rf", "lh"))
    relisted = DOG[:left] + DOG[right:hind] + DOG[left:right] + DOG[hind:]
    put(folder / "right", relisted)
    still = ["--set", "start.joint_factor=[1, 1]", "--set", "start.joint_velocity=[0, 0]", "--set", "start.position=[0, 0]",
             "--set", "start.yaw=[0, 0]", "--set", "control.episode=0.4", "--randomise", "off"]
    given = ["eval", "--policy", "run/policy.onnx", "--config", "run/config.toml", *still]
    listed = run_json(*given, cwd=folder)
    other = run_json(*given, "--set", "control.robot=right/tinydog.xml", cwd=folder)
    assert listed["return_mean"] == pytest.approx(other["return_mean"], rel=1e-3)
    assert listed["constraints"]["action_rate"]["mean"] == pytest.approx(other["constraints"]["action_rate"]["mean"], rel=1e-2)
    by_run = run_json("eval", "--run", "run", *still, "--set", "control.robot=right/tinydog.xml", cwd=folder)
    assert by_run["return_mean"] == pytest.approx(other["return_mean"], rel=1e-3)
    # One whose joints have other names is another robot.
    put(folder / "named", DOG.replace("lf_knee", "lf_elbow"))
    line = refused(*given, "--set", "control.robot=named/tinydog.xml", cwd=folder)
    assert "run/policy.onnx" in line and "'lf_elbow'" in line
    line = refused(*given, "--set", "control.action_scale=0.3", cwd=folder)
    assert "action scale" in line and "0.3" in line
    said = run_json(*given, "--set", "control.stiffness=35", "--set", "control.damping=0.7", cwd=folder)
    assert len(notes_of(said)) == 1 and "stiffness 30" in notes_of(said)[0] and "35" in notes_of(said)[0]


def test_a_run_may_be_replaced_by_its_own_configuration(walker, tmp_path):
    """Its config.toml names the copy of the robot that is in the folder which --force empties."""
    run_folder = copy_of(walker / "run", tmp_path / "run")
    before = (run_folder / "policy.safetensors").read_bytes()
    run_json("train", "--config", "run/config.toml", "--run", "run", "--force", cwd=tmp_path)
    assert (run_folder / "policy.safetensors").read_bytes() == before
    assert (run_folder / "trained_robot" / "tinydog.xml").exists()


def test_a_robot_that_could_not_be_copied_is_watched(tmp_path):
    """Two meshes of one name are not copied: the run goes on needing the file, and says when it has changed."""
    asset = '<asset><mesh name="one" file="a/m.obj"/><mesh name="two" file="b/m.obj"/></asset><worldbody>'
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.obj").write_text("v 0 0 0\nv .1 0 0\nv 0 .1 0\nv 0 0 .1\n"
                                                 "f 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    dog = DOG.replace("<worldbody>", asset, 1)
    put(tmp_path, dog=dog, walk=WALK)
    said = run_json("train", "--task", "walk.toml", "--run", "run", *SMALL, cwd=tmp_path)
    assert any("not copied" in note for note in said["notes"])
    (tmp_path / "tinydog.xml").write_text(dog.replace("armature", "armature ", 1))
    said = run_json("eval", "--run", "run", "--episodes", 4, cwd=tmp_path)
    assert any("has changed since" in note for note in said["notes"])


def test_a_checkpoint_is_not_loaded_into_other_places(tmp_path):
    put(tmp_path, walk=WALK)
    assert run("train", "--task", "walk.toml", "--run", "run", *SMALL, "--stop-after", 1, cwd=tmp_path).returncode == 0
    config = tmp_path / "run" / "config.toml"
    text = config.read_text()
    first, second = '"base_angular_velocity", "projected_gravity"', '"projected_gravity", "base_angular_velocity"'
    config.write_text(text.replace("policy = [" + first, "policy = [" + second, 1))
    line = refused("train", "--resume", "run", cwd=tmp_path)
    assert "'base_angular_velocity.x'" in line and "'projected_gravity.x'" in line
    config.write_text(text.replace("[constraints.action_rate]", "[constraints.rate_of_action]"))
    assert "constraint_maxima/rate_of_action" in refused("train", "--resume", "run", cwd=tmp_path)
    # The tables' order does not matter.
    head, *tables = text.split("\n[constraints.")
    config.write_text(head + "".join("\n[constraints." + table.rstrip("\n") + "\n" for table in reversed(tables)))
    assert run_json("train", "--resume", "run", cwd=tmp_path)["finished"]


def test_shipped_policies_fit_their_robots():
    root = pathlib.Path(__file__).parent.parent.parent / "policies"
    for folder in sorted(path for path in root.iterdir() if (path / "policy.onnx").exists()):
        weights = folder / "policy.safetensors"  # of networks with a state, which are not read from ONNX
        policy = weights if weights.exists() else folder / "policy.onnx"
        said = run_json("eval", "--policy", policy, "--config", folder / "config.toml", "--episodes", 4)
        assert not [note for note in said["notes"] if "policy" in note], folder
        assert said["task"] == folder.name
        assert json.loads((folder / "eval.json").read_text())
