"""docs/example/walk_in_mujoco.py, run as a user would: follows commands, finds joints by name, refuses with one line."""

import ast
import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

import onnxruntime
import pytest
from program import run_json

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "example" / "walk_in_mujoco.py"
ROBOTS = ROOT / "envs" / "legged" / "robots"
GO2 = ROOT / "policies" / "go2-flat" / "policy.onnx", ROBOTS / "go2.xml"


def walk(*arguments):
    return subprocess.run([sys.executable, EXAMPLE, *map(str, arguments)], capture_output=True, text=True, timeout=60)


def walked(*arguments):
    """What the program printed: (metres, seconds, whether it fell, mean velocity forward, sideways and turning)."""
    process = walk(*arguments)
    assert process.returncode == 0 and process.stderr == "", process.stderr
    said = re.fullmatch(r"walked (\S+) m in (\S+) s and (fell|did not fall)\ncommanded: .*\n"
                        r"reached: (\S+) m/s forward, (\S+) m/s sideways, (\S+) rad/s turning\n", process.stdout)
    assert said, process.stdout
    return float(said[1]), float(said[2]), said[3] == "fell", *map(float, said.groups()[3:])


def refused(*arguments):
    process = walk(*arguments)
    assert (process.returncode, process.stdout) == (2, ""), process.stderr
    [line] = process.stderr.splitlines()
    return line


def facts_of(policy):
    return onnxruntime.InferenceSession(policy).get_modelmeta().custom_metadata_map


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Policies that hardly learnt anything, as the program exports them now: {task: file}."""
    policies = {}
    for task in ("go2-flat", "go2-rough"):
        folder = tmp_path_factory.mktemp("example") / task
        run_json("train", "--task", task, "--iterations", 1, "--num-envs", 64, "--run", folder,
                 "--set", "train.horizon=8", "--set", "run.eval_episodes=4", "--set", "control.episode=0.5")
        policies[task] = folder / "policy.onnx"
    return policies


def test_go2_walks_forward_as_commanded():
    """Measured: 4.70 m in 10 s, 0.47 m/s forward (it starts from standing), -0.01 m/s sideways, 0.01 rad/s."""
    metres, seconds, fell, forward, sideways, turning = walked(*GO2, 0.5, 0, 0, 10)
    assert not fell
    assert seconds == 10
    assert abs(forward - 0.5) <= 0.1
    assert abs(sideways) <= 0.1
    assert abs(turning) <= 0.1
    assert abs(metres - 5) <= 1
    assert walked(*GO2) == (metres, seconds, fell, forward, sideways, turning)  # what it does when told nothing


@pytest.mark.parametrize("task, robot, command", [
    ("go2-flat", "go2", (0, 0.4, 0)),
    ("go2-flat", "go2", (0, 0, -0.5)),
    ("bolt-flat", "bolt", (0.4, 0, 0)),
    ("solo12-flat", "solo12", (0.5, 0, 0)),
    ("anymal-flat", "anymal_c", (0.5, 0, 0)),
])
def test_every_robot_follows(task, robot, command):
    """The largest difference measured is 0.07 (m/s or rad/s)."""
    _, _, fell, *reached = walked(ROOT / "policies" / task / "policy.onnx", ROBOTS / f"{robot}.xml", *command)
    assert not fell
    for got, wanted in zip(reached, command):
        assert abs(got - wanted) <= 0.2


def test_joints_are_found_by_name(tmp_path):
    """A Go2 whose file lists its legs in the reverse order, and motors instead of servos, walks as well."""
    tree = xml.etree.ElementTree.parse(ROBOTS / "go2.xml")
    root = tree.getroot()
    base = root.find("worldbody/body")
    legs = base.findall("body")
    assert len(legs) == 4
    for leg in legs:
        base.remove(leg)
    base.extend(reversed(legs))
    root.remove(root.find("keyframe"))
    for actuator in root.find("actuator"):
        actuator.tag = "motor"
        actuator.attrib.pop("class")
    tree.write(tmp_path / "reversed.xml")
    _, _, fell, forward, *_ = walked(GO2[0], tmp_path / "reversed.xml")
    assert not fell
    assert abs(forward - 0.5) <= 0.1


def test_a_fall_is_told(tmp_path):
    """Gravity as on a slope of 45 degrees."""
    text = (ROBOTS / "go2.xml").read_text()
    assert "<option timestep" in text
    (tmp_path / "slope.xml").write_text(text.replace("<option timestep", '<option gravity="7 0 -7" timestep'))
    _, seconds, fell, *_ = walked(GO2[0], tmp_path / "slope.xml")
    assert fell
    assert 0 < seconds < 5


def test_what_is_exported_now_has_all_that_it_reads(exported):
    assert walked(exported["go2-flat"], GO2[1], 0.2)[1] == 0.2
    facts = facts_of(exported["go2-flat"])
    parts = dict.fromkeys(("joint_position", "joint_velocity", "last_action"), json.loads(facts["joint_order"]))
    names = [f"{term}.{part}" for term in json.loads(facts["observation_terms"]) for part in parts.get(term, "xyz")]
    assert names == json.loads(facts["observation_names"])
    assert facts["action_names"] == facts["joint_order"] and facts["action_centre"] == facts["default_pose"]


def test_the_metadata_are_listed(exported, trained):
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|[^|]*\|[^|]*\|$", (ROOT / "docs" / "deploy.md").read_text(), re.MULTILINE)
    listed = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    assert len(listed) == len(set(listed))
    facts = facts_of(exported["go2-rough"])
    some = {"camera", "observation_formulas", "observation_states"}  # which policies with one have
    assert set(listed) == set(facts) | some
    for key in set(facts) - {"task", "version", "robot"}:
        json.loads(facts[key])
    assert set(facts_of(trained[0] / "policy.onnx")) < set(listed)


def test_a_policy_that_sees_earlier_readings_is_refused(tmp_path):
    run_json("train", "--task", "go2-flat", "--iterations", 1, "--num-envs", 64, "--run", tmp_path / "run",
             "--set", "train.horizon=8", "--set", "run.eval_episodes=4", "--set", "control.episode=0.5",
             "--set", "policy_observation.history=2", "--set", "symmetry.mirror=false")
    assert "earlier readings" in refused(tmp_path / "run" / "policy.onnx", GO2[1])


def test_mistakes_end_with_one_line(trained, tmp_path):
    text = GO2[1].read_text()
    floor = re.search(r"<geom name=\"floor\".*/>", text)[0]
    (tmp_path / "no_floor.xml").write_text(text.replace(floor, ""))
    for arguments, part in [
        ([], "usage"),
        ([*GO2, "fast"], "'fast'"),
        ([*GO2, "nan", 0, 0], "finite"),
        ([*GO2, -1], "seconds"),
        ([tmp_path / "none.onnx", GO2[1]], "none.onnx"),
        ([GO2[0], tmp_path / "no_floor.xml"], "no_floor.xml must have a floor"),
        ([GO2[0], ROBOTS / "bolt.xml"], "no joint 'FL_hip_joint'"),
        ([ROOT / "policies" / "go2-rough" / "policy.onnx", GO2[1]], "'height_scan'"),
        ([trained[0] / "policy.onnx", GO2[1]], "'joint_order'"),
    ]:
        assert part in refused(*arguments), arguments


def test_it_stays_a_page():
    """Lines that are neither empty nor comments; a third of them read what was asked for and refuse what cannot be."""
    text = EXAMPLE.read_text()
    tree = ast.parse(text)
    documentation = tree.body[0]
    assert isinstance(documentation, ast.Expr) and documentation.lineno == 1
    code = [line for line in text.splitlines()[documentation.end_lineno:] if line.split("#")[0].strip()]
    assert len(code) <= 69
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported == {"json", "sys", "mujoco", "numpy", "onnxruntime"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
