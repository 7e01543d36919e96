"""Formulas in task files: every operation beside NumPy, mistakes, and the documentation's examples."""

import json
import pathlib
import re

import kernels
import mujoco
import numpy as np
import onnxruntime
import pytest
from program import refused, run, run_json
from safetensors.numpy import load_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
COUNT = 37
RANDOM = np.random.default_rng(5)
X, Y, Z = (np.float32(RANDOM.normal(0, 2, COUNT)) for _ in range(3))
FORCE = np.float32(RANDOM.uniform(0.5, 9, (COUNT, 4)))
SPEED = np.float32(RANDOM.normal(0, 3, (COUNT, 12)))
SCAN = np.float32(RANDOM.normal(0, 0.3, (COUNT, 10)))
CALVES = slice(2, None, 3)


def compute(formula):
    given = b"".join(a.tobytes() for a in (X, Y, Z, FORCE, SPEED, SCAN))
    said = kernels._run("dump_formulas", [formula, COUNT], given)
    return said.reshape(COUNT, -1).squeeze()


x, y, z, force, speed, scan = (np.float64(a) for a in (X, Y, Z, FORCE, SPEED, SCAN))
OPERATIONS = {
    "command_x + command_y": x + y,
    "command_x - command_y - command_yaw": x - y - z,
    "command_x * command_y / command_yaw": x * y / z,
    "-command_x ^ 2": -(x**2),
    "command_x ^ 3 + command_x ^ 1": x**3 + x,
    "abs(command_x) ^ 1.7": np.abs(x) ** 1.7,
    "abs(command_x) ^ command_y": np.abs(x) ** y,
    "abs(command_x) ^ -2": np.abs(x) ** -2,
    "abs(command_x) ^ 0.5": np.sqrt(np.abs(x)),
    "2 ^ 3 ^ 2 * command_x": 512 * x,
    "command_x < command_y": x < y,
    "command_x > command_y": x > y,
    "command_x <= command_x": np.ones(COUNT),
    "command_x >= command_y": x >= y,
    "command_x == command_x": np.ones(COUNT),
    "command_x != command_y": np.ones(COUNT),
    "command_x > 0 and command_y > 0": (x > 0) & (y > 0),
    "command_x > 0 or command_y > 0 and command_yaw > 0": (x > 0) | ((y > 0) & (z > 0)),
    "not command_x > 0": ~(x > 0),
    "select(command_x > 0, command_y, command_yaw)": np.where(x > 0, y, z),
    "min(command_x, command_y, command_yaw)": np.minimum(np.minimum(x, y), z),
    "max(command_x, command_y)": np.maximum(x, y),
    "clamp(command_x, -1, 0.5)": np.clip(x, -1, 0.5),
    "abs(command_x)": np.abs(x),
    "sqrt(abs(command_x))": np.sqrt(np.abs(x)),
    "exp(command_x)": np.exp(x),
    "log(abs(command_x))": np.log(np.abs(x)),
    "sin(command_x)": np.sin(x),
    "cos(command_x * 50)": np.cos(np.float64(np.float32(X * np.float32(50)))),
    "tanh(command_x)": np.tanh(x),
    "fract(command_x)": x - np.floor(x),
    "floor(command_x)": np.floor(x),
    "pi * command_x": np.pi * x,
    "2 * 3 - 1e-1 + .5": np.full(COUNT, 6.4),
    "foot_force * command_x": force * x[:, None],
    "joint_velocity + command_x": speed + x[:, None],
    "sum(foot_force)": force.sum(1),
    "mean(joint_velocity)": speed.mean(1),
    "largest(joint_velocity)": speed.max(1),
    "smallest(foot_force)": force.min(1),
    "any(joint_velocity > 6)": (speed > 6).any(1),
    "all(foot_force > 2)": (force > 2).all(1),
    'joint_velocity["*_calf_joint"]': speed[:, CALVES],
    'sum(abs(joint_velocity)["*_calf_joint"] ^ 2)': (speed[:, CALVES] ** 2).sum(1),
    'mean(joint_velocity["FL_*"])': speed[:, :3].mean(1),
    'largest(joint_velocity["F*_calf_joint", "RL_hip_joint"])': speed[:, [2, 5, 6]].max(1),
    'smallest(foot_force["F*"])': force[:, :2].min(1),
    'all(joint_velocity["*_hip_joint"] > -2)': (speed[:, ::3] > -2).all(1),
    'foot_force * is_foot("FL*", "RR*")': force * [1, 0, 0, 1],
    'sum(joint_velocity * is_joint("*_thigh_joint"))': speed[:, 1::3].sum(1),
    "sum(scan_height)": scan.sum(1),
    "mean(abs(scan_height))": np.abs(scan).mean(1),
    "largest(scan_height)": scan.max(1),
    "smallest(scan_height * command_x + sum(foot_force))": (scan * x[:, None] + force.sum(1)[:, None]).min(1),
    "any(scan_height > 0.5)": (scan > 0.5).any(1),
    "all(scan_height > -0.5)": (scan > -0.5).all(1),
    "largest(abs(scan_height - mean(scan_height)))": np.abs(scan - scan.mean(1, keepdims=True)).max(1),
    "foot_force * largest(scan_height)": force * scan.max(1)[:, None],
    "sqrt(mean(scan_height ^ 2)) + largest(scan_height) * smallest(scan_height)":
        np.sqrt((scan**2).mean(1)) + scan.max(1) * scan.min(1),
}


@pytest.mark.parametrize("formula", OPERATIONS)
def test_operations_are_numpys(formula):
    said, right = compute(formula), np.float64(OPERATIONS[formula])
    assert said.shape == right.shape
    error = np.abs(said - right)
    assert (error <= 2e-6 * np.maximum(np.abs(right), 1)).all(), error.max()


@pytest.mark.parametrize("formula", [
    "1 / 0 - 1 / 0", "0 / 0 > 1", "min(0 / 0, 1)", "max(1, 0 / 0)", "select(0 / 0, 1, 2)", "not (0 / 0)", "0 / 0 and 0",
    "0 / 0 or 1", "sqrt(-1)", "log(-1)", "(-8) ^ (1 / 3)", "largest(select(foot_force > 100, foot_force, 0 / 0))",
    "sum(joint_velocity / 0 * 0)", "sum(scan_height / 0 * 0)", "largest(select(scan_height > 9, scan_height, 0 / 0))",
    "all(scan_height / 0 * 0)", "clamp(0 / 0, 0, 1)", "fract(1 / 0)", "sin(1e6)",
])
def test_nan_reaches_the_result(formula):
    assert not np.isfinite(compute(formula)).any()


@pytest.mark.parametrize("over, numpys", [("largest", np.max), ("smallest", np.min), ("sum", np.sum)])
def test_nan_of_one_foot_is_that_of_all(over, numpys):
    said = compute(f"{over}(select(foot_force > 2, foot_force, 0 / 0))")
    right = numpys(np.where(force > 2, force, np.nan), axis=1)
    assert np.isnan(right).any() and not np.isnan(right).all()
    np.testing.assert_allclose(said, right, rtol=1e-6)


@pytest.mark.parametrize("over, numpys", [("largest", np.max), ("smallest", np.min), ("sum", np.sum)])
def test_nan_of_one_point_is_that_of_all(over, numpys):
    said = compute(f"{over}(select(scan_height > -0.4, scan_height, 0 / 0))")
    right = numpys(np.where(scan > -0.4, scan, np.nan), axis=1)
    assert np.isnan(right).any() and not np.isnan(right).all()
    np.testing.assert_allclose(said, right, rtol=2e-6, atol=1e-7)


def test_what_is_not_chosen_is_dropped():
    assert (compute("select(command_x > 1e6, 1 / 0, 2)") == 2).all()


MISTAKES = {
    "velocty_x": ("column 1", "unknown name 'velocty_x'", "did you mean 'velocity_x'?"),
    "exp(-yaw_rate ^ 2": ("column 4", "'(' is not closed", "')' would be right"),
    "yaw_rate)": ("column 9", "there is no '('"),
    "joint_torque": ("one for each joint", "sum(...)"),
    "sum(yaw_rate)": ("column 1", "sum() is over feet, joints or points of the scan"),
    "sum(joint_torque * foot_force)": ("column 18", "one for each joint and one for each foot"),
    'sum(joint_torque["*_calf_joint"] * joint_velocity)': ("column 34", "4 joints and 12 others"),
    'sum(joint_torque["*_claf_joint"])': ("column 17", "no driven joint is called '*_claf_joint'", "did you mean"),
    "1 < yaw_rate < 2": ("column 14", "two comparisons in a row", "a < b and b < c would be right"),
    "yaw_rate = 2": ("column 10", "'==' would be right"),
    "yaw_rate && 1": ("column 10", "'and' would be right"),
    "yaw_rate ** 2": ("column 10", "'^' would be right"),
    "2 yaw_rate": ("column 3", "without an operator"),
    "2x": ("column 1", "'2x' is neither a number nor a name"),
    "abs(1, 2)": ("column 1", "abs() has 2 arguments", "1 would be right"),
    "max(foot_force)": ("column 1", "largest(x) is over feet, joints or points of the scan"),
    "scan_height": ("one for each point of the scan", "sum(...)"),
    "sum(scan_height * foot_force)": ("column 17", "one for each point of the scan and one for each foot"),
    'largest(scan_height["FL*"])': ("column 20", "points of the scan have no names", "select(scan_x > 0"),
    "largest(previous(scan_height))": ("column 9", "previous(largest(...)) would be right"),
    "squrt(2)": ("column 1", "unknown function 'squrt'", "did you mean 'sqrt'?"),
    "exp": ("column 1", "'exp' is a function"),
    "1 +": ("column 4", "the end of the formula stands where"),
    "": ("rewards.x.formula is missing",),
    "yaw_rate $ 2": ("column 10", "'$' means nothing"),
    "1e99": ("column 1", "beyond what a float holds"),
    "uniform(0, 1)": ("column 1", "where an episode starts"),
    "(" * 200 + "1" + ")" * 200: ("column 101", "more than 100 brackets"),
}


@pytest.mark.parametrize("formula", MISTAKES)
def test_a_mistake_is_one_line(formula, tmp_path):
    file = tmp_path / "my.toml"
    file.write_text(f"extends = 'go2-flat'\n\n[rewards.x]\nweight = 1\nformula = '''{formula}'''\n")
    said = refused("bench", "train", "--task", file)
    assert len(said.strip().splitlines()) == 1
    for part in MISTAKES[formula]:
        assert part in said
    if formula:
        assert "my.toml:5: rewards.x.formula, column" in said


@pytest.mark.parametrize("lines, parts", [
    ("[rewards.x]\nwieght = 1\nformula = '1'", ("unknown key 'rewards.x.wieght'", "did you mean 'weight'?")),
    ("[rewards.x]\nformula = 1", ("rewards.x.formula = 1", "a formula in quotes")),
    ("[constraints.x]\nformula = 'foot_force'\nwhen = 'allways'", ("constraints.x.when", "did you mean 'always'?")),
    ("[constraints.x]\nformula = 'foot_force'\nwhen = 'joint_torque > 1'", ("constraints.x.when", "same joints or feet")),
    ("[constraints.x]\nquantity = 'foot_force'\nwhen = 'time > 1'", ("constraints.x.when is a formula", "always, moving")),
    ("[constraints.x]\nquantity = 'foot_force'\nformula = '1'", ("constraints.x has a quantity and a formula",)),
    ("[constraints.x]\nformula = 'scan_height'",
     ("constraints.x.formula, column 1", "one for each point of the scan", "largest(...)")),
    ("[constraints.x]\nformula = '1'\nwhen = 'scan_height > 0'", ("constraints.x.when", "any(...)")),
    ("[observations.terms.x]\nformula = 'scan_height'", ("observations.terms.x.formula", '"height_scan"')),
    ("[terminations.x]\nformula = 'foot_contact'", ("one for each foot", "any(...) or all(...)")),
    ("[state.velocity_x]\nstart = '0'\nnext = '1'", ("state.velocity_x", "is a signal")),
    ("[state.x]\nstart = '0'", ("state.x.next is missing",)),
    ("[state.'']\nstart = '0'\nnext = '0'", ("a name is missing",)),
    ("[observations.terms.x]\nmirror = [1]", ("observations.terms.x.formula is missing",)),
    (f"[rewards.x]\nformula = '{'1 + ' * 1200}1'", ("longer than 4000 letters",)),
    ("[observations]\npolicy = ['comand']", ("observations.policy", "did you mean 'command'?")),
    ("[observations]\npolicy = ['x']\n[observations.terms.x]\nformula = 'joint_torque'",
     ("observations.terms.x.formula, column 1", "of the step that was taken")),
    ("[observations]\npolicy = ['x', 'command']\n[observations.terms.x]\nformula = 'time'",
     ("symmetry.mirror", "observations.terms.x.mirror", "1 or -1")),
])
def test_a_mistake_in_a_table_is_one_line(lines, parts, tmp_path):
    file = tmp_path / "my.toml"
    file.write_text(f"extends = 'go2-flat'\n{lines}\n")
    said = refused("bench", "train", "--task", file)
    assert len(said.strip().splitlines()) == 1
    for part in parts:
        assert part in said


def test_list_names_the_signals():
    signals = {signal["name"]: signal for signal in run_json("list", "--signals")["signals"]}
    assert signals["foot_height"] == {"name": "foot_height", "shape": "foot", "unit": "m",
                                      "meaning": "of the foot's lowest point above the ground below it"}
    assert signals["joint_torque"]["shape"] == "joint" and signals["velocity_x"]["shape"] == "environment"
    assert signals["scan_height"]["shape"] == "scan" and signals["limb_distance"]["shape"] == "foot"
    said = run("list", "--signals").stdout
    assert "foot_height" in said and "One for each point of the height scan" in said


def chain_of(model, body):
    """The body, and those that carry it, up to the base."""
    chain = [int(body)]
    while model.body_parentid[chain[-1]] != 0:
        chain.append(int(model.body_parentid[chain[-1]]))
    return chain


def capsules_of(model):
    """Makes capsules of the limbs' geoms beyond their first bodies, as `limb_distance` has them; a list for each limb."""
    limbs = {}
    for geom in range(model.ngeom):
        chain = chain_of(model, model.geom_bodyid[geom])
        if len(chain) < 3 or not (model.geom_contype[geom] or model.geom_conaffinity[geom]):
            continue
        limbs.setdefault(chain[-2], []).append(geom)
        size, kind = model.geom_size[geom], model.geom_type[geom]
        if kind == mujoco.mjtGeom.mjGEOM_BOX:
            _, middle, long = np.argsort(size)
            turn = np.zeros(4)
            mujoco.mju_quatZ2Vec(turn, np.eye(3)[long])
            mujoco.mju_mulQuat(model.geom_quat[geom], model.geom_quat[geom].copy(), turn)
            model.geom_sameframe[geom] = mujoco.mjtSameFrame.mjSAMEFRAME_NONE
            size[:] = size[middle], size[long] - size[middle], 0
        elif kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
            size[1] = max(size[1] - size[0], 0)
        model.geom_type[geom] = kind if kind == mujoco.mjtGeom.mjGEOM_SPHERE else mujoco.mjtGeom.mjGEOM_CAPSULE
        model.geom_rbound[geom] = size[0] + size[1]
    return list(limbs.values())


@pytest.mark.parametrize("robot, task", [("go2", "go2-flat"), ("solo12", "solo12-flat"), ("anymal_c", "anymal-flat")])
def test_limb_distance_is_mujocos(robot, task, tmp_path):
    """Between the same capsules MuJoCo measures in double precision; limbs far apart, near and through each other."""
    wild = ("--set", "symmetry.mirror=false", "--set", "start.joint_factor=[-2, 2]", "--set",
            "start.joint_velocity=[-20, 20]", "--set", "control.stiffness=1", "--set", "control.damping=0.02", "--set",
            "terminations.body_force=1e9", "--set", "terminations.base_force=1e9", "--set", "terminations.gravity_z=2")
    seen = ("--set", "observations.terms.apart.formula='limb_distance'", "--set",
            "observations.policy=['apart', 'command']")
    run_json("train", "--task", task, "--run", tmp_path / "run", *SMALL, *wild, *seen)
    run_json("eval", "--run", tmp_path / "run", "--episodes", 12, "--trace", tmp_path / "t.safetensors")
    trace = load_file(tmp_path / "t.safetensors")
    model = mujoco.MjModel.from_xml_path(str(ROOT / "envs" / "legged" / "robots" / f"{robot}.xml"))
    limbs, data = capsules_of(model), mujoco.MjData(model)
    assert len(limbs) == 4
    checked = []
    for step, episode in np.argwhere(trace["active"] > 0)[::5]:
        data.qpos[:] = trace["state"][step, episode, : model.nq]
        mujoco.mj_kinematics(model, data)
        for limb, geoms in enumerate(limbs):
            others = [geom for other in limbs if other is not geoms for geom in other]
            right = min(mujoco.mj_geomDistance(model, data, a, b, 10.0, None) for a in geoms for b in others)
            assert trace["observation"][step, episode, limb] == pytest.approx(right, abs=2e-5), (step, episode, limb)
            checked.append(right)
    assert len(checked) > 100 and min(checked) < 0 and max(checked) > 0.15


SMALL = ("--num-envs", 32, "--iterations", 2, "--set", "algorithm.minibatch=256", "--set", "train.horizon=8",
         "--set", "run.eval_episodes=6", "--set", "control.episode=1")


def test_the_documentations_examples_train(tmp_path):
    """All of the page's TOML, put together, and the clock that it ends with."""
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "formulas.md").read_text(), re.DOTALL)
    assert len(blocks) >= 3
    file = tmp_path / "page.toml"
    file.write_text("\n".join(blocks))
    said = run_json("train", "--task", file, "--run", tmp_path / "run", *SMALL)
    assert "observations.terms.clock.1" in said["metrics"]["not_finite"]
    config = (tmp_path / "run" / "config.toml").read_text()
    assert "[observations.terms.clock]" in config and "[state.phase]" in config
    again = run_json("eval", "--run", tmp_path / "run", "--episodes", 6)
    assert again["episodes"] == 6


def test_the_trot_trains(tmp_path):
    said = run_json("train", "--task", ROOT / "docs" / "example" / "go2-trot.toml", "--run", tmp_path / "run", *SMALL)
    metrics = said["metrics"]
    for number in (metrics["rewards"]["swing_force"], metrics["rewards"]["stance_speed"]):
        assert np.isfinite(number) and number < 0
    assert metrics["not_finite"]["state.phase"] == 0
    facts = onnxruntime.InferenceSession(tmp_path / "run" / "policy.onnx").get_modelmeta().custom_metadata_map
    assert {"clock.0", "clock.1"} <= set(json.loads(facts["observation_names"]))
    assert json.loads(facts["observation_formulas"])["clock"][0].startswith("sin(")
    assert set(json.loads(facts["observation_states"])) == {"phase"}
    assert "scan" not in facts


@pytest.mark.parametrize("seen, kept", [("b + largest(scan_height)", "a + 1"), ("b", "a + largest(scan_height)")])
def test_a_policy_names_the_states_that_its_formulas_use(seen, kept, tmp_path):
    """Those that others use, too, and the scan's points where a formula sees them, itself or by a state."""
    file = tmp_path / "my.toml"
    file.write_text(f"""extends = 'go2-flat'
symmetry.mirror = false
observations.policy = ['o', 'command']
observations.terms.o.formula = '{seen}'
[state]
a = {{start = '1', next = '{kept}'}}
b = {{start = '2', next = 'a * 2'}}
c = {{start = '0', next = 'c'}}
""")
    run_json("train", "--task", file, "--run", tmp_path / "run", *SMALL)
    facts = onnxruntime.InferenceSession(tmp_path / "run" / "policy.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(facts["observation_states"]) == {"a": {"start": "1", "next": kept},
                                                       "b": {"start": "2", "next": "a * 2"}}
    assert json.loads(facts["scan"]) == pytest.approx([-0.6, 0.9, -0.3, 0.3, 0.15])


def test_what_is_not_finite_is_told(tmp_path):
    file = tmp_path / "my.toml"
    file.write_text("extends = 'go2-flat'\n[rewards.bad]\nformula = '1 / (time - time)'\n")
    file.write_text(file.read_text() + "[constraints.worse]\nformula = 'joint_velocity / 0'\n")
    done = run("train", "--task", file, "--run", tmp_path / "run", *SMALL)
    assert done.returncode == 0
    assert "the formula of constraints.worse is not finite in 100 % of the steps" in done.stderr
    assert "the formula of rewards.bad is not finite in 100 % of the steps" in done.stderr
    said = run("eval", "--run", tmp_path / "run", "--episodes", 5)
    assert said.returncode == 0
    assert "the formula of constraints.worse is not finite in 100 % of the steps" in said.stdout
    shares = run_json("eval", "--run", tmp_path / "run", "--episodes", 5)["formulas_not_finite"]
    assert shares == {"rewards.bad": 1, "constraints.worse": 1}
