"""The robots that come with stampede: figures, structure, that their home pose stands, and how they fare on terrain."""

import pathlib

import mujoco
import numpy as np
import pytest
from program import run_json

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "envs" / "legged" / "robots"

# Sums of the masses [kg] that the descriptions below give their links: Gepetto/example-robot-data, commit
# 39aa943. Base, then one limb, times the limbs (Bolt's two shoulders differ).
MASS = {
    "solo12": 1.16115091 + 4 * (0.14853845 + 0.14853845 + 0.03070001 + 0.00693606),  # solo12.urdf
    "go2": 6.921 + 4 * (3 * 0.089 + 0.678 + 1.152 + 0.154 + 0.04),  # go2.urdf; 0.089: a rotor
    "anymal_c": (6.222 + 0.534 + 1.15 + 0.3262 + 0.314 + 2 * (0.73 + 0.16043 + 0.287) + 5.53425 + 0.065 + 0.01
                 + 2 * 0.16043 + 0.545 + 0.695 + 0.142 + 4 * 2.04  # anymal_c.urdf: the base with its four drives,
                 + 4 * (0.001 + 0.74 + 2.04 + 0.001 + 1.03 + 2.04 + 0.001 + 0.33742 + 0.25)),  # and the legs
    "bolt": 0.61436936 + 0.14004265 + 0.14004412 + 2 * (0.14853845 + 0.03117243),  # bolt.urdf
    "hexapod": 1.2 + 6 * (0.1 + 0.12 + 0.05),  # our own
    "cartpole": 1.1,  # dm_control
    "double_pendulum": 1.0,  # envs/pendulum/double_pendulum.hpp
}
# The same files' joint offsets [m] of the left front (left) limb: hip from base, thigh from hip, shank from thigh; the
# hexapod's from its file. Torque limits [N m]: URDF (Go2, ANYmal C), 12 A x 0.025 N m/A x 9 (Solo-12, Bolt).
OFFSETS = {
    "solo12": ([0.1946, 0.0875, 0], [0, 0.014, 0], [0, 0.03745, -0.16]),
    "go2": ([0.1934, 0.0465, 0], [0, 0.0955, 0], [0, 0, -0.213]),
    "anymal_c": ([0.2999, 0.104, 0], [0.0599, 0.08381, 0], [0, 0.1003, -0.285]),
    "bolt": ([0, 0.0636, 0], [0, 0.0145, -0.0386], [0, 0.0374, -0.2]),
    "hexapod": ([0.12, 0.065, 0], [0.05, 0, 0], [0.09, 0, 0]),
}
TORQUES = {"solo12": [2.7] * 3, "go2": [23.7, 23.7, 45.43], "anymal_c": [80] * 3, "bolt": [2.7] * 3, "hexapod": [3] * 3}
# Diagonal of the mass matrix, the base's rotation and all joints [kg m^2], armature 0, joint i at 0.1 (i + 1) rad: of
# those URDFs, compiled by MuJoCo 3.17 with a free joint added (ANYmal C's cameras have inertias that it refuses: those
# made valid by 0.01 and 0.02 kg m^2 more on every link, and extrapolated to none; the matrix is linear in them).
DIAGONAL = {
    "solo12": [0.029469735487, 0.078339741018, 0.093673810157, 0.0040257754508, 0.0040146374997,
        0.00054261922132, 0.0027209593164, 0.0038545491534, 0.00054261922132, 0.0013736375471, 0.0036036731338,
        0.00054261922132, 0.00070904697367, 0.0032844194485, 0.00054261922132],
    "go2": [0.16962740886, 0.58505590094, 0.61770714189, 0.037682883615, 0.031708151745, 0.0049656346816,
        0.026849493105, 0.030352276702, 0.0049656346816, 0.016028355342, 0.028154469625, 0.0049656346816,
        0.011470235673, 0.025311054075, 0.0049656346816],
    "anymal_c": [1.7845688018, 6.9245315662, 7.1547460541, 0.36597029911, 0.31085666486, 0.016197096163,
        0.30573374218, 0.31286860582, 0.016197096163, 0.18417608936, 0.27966429198, 0.016197096163,
        0.12099986561, 0.26959551497, 0.016197096163],
    "bolt": [0.022737582677, 0.034932372847, 0.031306695486, 0.0079555955312, 0.0056680355577, 0.0005352689681,
        0.0059717723327, 0.0054801338674, 0.0005352689681],
}
LIMBS = {"solo12": (4, 3), "go2": (4, 3), "anymal_c": (4, 3), "bolt": (2, 3), "hexapod": (6, 3), "cartpole": (1, 2),
         "double_pendulum": (1, 2)}
LEGGED = sorted(OFFSETS)
STANDING = [robot for robot in LEGGED if robot != "bolt"]  # two point feet stand only while a controller steps


def load(robot):
    """The model; a warning of MuJoCo's is an error, for a test would not see it."""
    said = []
    mujoco.set_mju_user_warning(said.append)
    try:
        model = mujoco.MjModel.from_xml_path(str(FOLDER / f"{robot}.xml"))
    finally:
        mujoco.set_mju_user_warning(None)
    assert not said, said
    return model


def at_home(robot):
    model = load(robot)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("home").id)
    mujoco.mj_forward(model, data)
    return model, data


def touching(model):
    """The shapes that can touch the floor."""
    floor = model.geom("floor").id
    return [g for g in range(model.ngeom) if g != floor and model.geom_contype[floor] & model.geom_conaffinity[g]]


def limbs(model):
    """The chains of bodies below the base (the world, where the base is fixed), each from the base outwards."""
    base = model.body("base").id if model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE else 0
    children = {body: [] for body in range(model.nbody)}
    for body in range(1, model.nbody):
        children[model.body_parentid[body]].append(body)
    chains = []
    for body in children[base]:
        chain = [body]
        while children[chain[-1]]:
            assert len(children[chain[-1]]) == 1, f"{model.body(chain[-1]).name} branches"
            chain += children[chain[-1]]
        chains.append(chain)
    return chains


def mass_matrix(model, data):
    full = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, full)
    return full


def test_every_robot_is_tested():
    assert sorted(MASS) == sorted(LIMBS) == sorted(path.stem for path in FOLDER.glob("*.xml"))


@pytest.mark.parametrize("robot", sorted(MASS))
def test_mass(robot):
    total = load(robot).body_mass.sum()
    assert abs(total - MASS[robot]) <= 1e-6, total


@pytest.mark.parametrize("robot", sorted(LIMBS))
def test_limbs_are_chains_of_hinges_and_slides(robot):
    model = load(robot)
    chains = limbs(model)
    assert len(chains) == LIMBS[robot][0]
    for chain in chains:
        assert len(chain) == LIMBS[robot][1]
        assert all(model.body_jntnum[body] == 1 for body in chain)
    moving = model.jnt_type[1:] if robot in LEGGED else model.jnt_type
    assert set(map(int, moving)) <= {int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)}
    assert model.neq == model.ntendon == model.nmesh == model.na == 0


@pytest.mark.parametrize("robot", LEGGED)
def test_published_figures(robot):
    model = load(robot)
    for body, offset in zip(limbs(model)[0], OFFSETS[robot]):
        assert np.abs(model.body_pos[body] - offset).max() <= 1e-9, model.body(body).name
    limit = np.tile(TORQUES[robot], LIMBS[robot][0])
    assert np.array_equal(model.actuator_forcerange, np.stack([-limit, limit], axis=1))
    if robot in ("solo12", "bolt"):
        assert np.abs(model.dof_armature[6:] - 4.5e-6 * 9**2).max() <= 1e-12
    if robot == "go2":  # go2.urdf
        front, rear = [-1.5708, 3.4907], [-0.5236, 4.5379]
        hip, calf = [-1.0472, 1.0472], [-2.7227, -0.83776]
        limits = [row for thigh in (front, front, rear, rear) for row in (hip, thigh, calf)]
        assert np.array_equal(model.jnt_range[1:], limits)
    if robot == "anymal_c":  # anymal_c.urdf
        left, right, free = [-0.72, 0.49], [-0.49, 0.72], [-9.42478, 9.42478]
        assert np.array_equal(model.jnt_range[1:], [left, free, free, right, free, free] * 2)


@pytest.mark.parametrize("robot", sorted(DIAGONAL))
def test_mass_matrix_is_that_of_the_published_links(robot):
    model = load(robot)
    model.dof_armature[:] = 0
    data = mujoco.MjData(model)
    data.qpos[7:] = 0.1 * np.arange(1, model.njnt)
    mujoco.mj_forward(model, data)
    got = np.diag(mass_matrix(model, data))[3:]
    assert np.abs(got / DIAGONAL[robot] - 1).max() <= 1e-9


@pytest.mark.parametrize("robot", LEGGED)
def test_servos_and_contact(robot):
    model, data = at_home(robot)
    joints = [model.joint(int(j)).name for j in model.actuator_trnid[:, 0]]
    assert joints == [model.joint(j).name for j in range(1, model.njnt)]
    assert joints == [model.actuator(a).name for a in range(model.nu)]
    assert np.all(model.actuator_gainprm[:, 0] > 0)  # kp
    assert np.array_equal(model.actuator_biasprm[:, 1], -model.actuator_gainprm[:, 0])
    assert np.array_equal(data.ctrl, data.qpos[7:])
    assert np.all(model.jnt_range[1:, 0] < data.qpos[7:]) and np.all(data.qpos[7:] < model.jnt_range[1:, 1])
    for first in touching(model):
        for second in touching(model):
            assert not model.geom_contype[first] & model.geom_conaffinity[second], "self-collision"
    covered = {model.geom_bodyid[g] for g in touching(model)}
    assert covered == set(range(1, model.nbody)), "a link that falls through the floor"
    feet = [g for g in touching(model) if model.geom(g).name.endswith("_foot")]
    assert len(feet) == LIMBS[robot][0]
    assert all(model.geom_type[g] == mujoco.mjtGeom.mjGEOM_SPHERE for g in feet)


@pytest.mark.parametrize("robot", LEGGED)
def test_home_has_its_feet_on_the_floor(robot):
    model, data = at_home(robot)
    floor = model.geom("floor").id
    height = {g: mujoco.mj_geomDistance(model, data, floor, g, 10.0, None) for g in touching(model)}
    feet = [g for g in height if model.geom(g).name.endswith("_foot")]
    assert all(abs(height[g]) <= 2e-6 for g in feet), height
    assert all(height[g] >= 0.005 for g in height if g not in feet), height


@pytest.mark.parametrize("robot", STANDING)
def test_home_stands(robot):
    model, data = at_home(robot)
    start = data.qpos[2]
    while data.time < 2.0:
        mujoco.mj_step(model, data)
        touched = {int(g) for contact in data.contact for g in contact.geom} - {model.geom("floor").id}
        assert all(model.geom(g).name.endswith("_foot") for g in touched), "stands on more than its feet"
    upright = data.body("base").xmat.reshape(3, 3)[2, 2]
    assert upright >= np.cos(np.radians(5.0)), np.degrees(np.arccos(upright))
    assert 0.85 * start <= data.qpos[2] <= 1.01 * start, (start, data.qpos[2])
    assert np.abs(data.qvel).max() <= 0.05, "still falling"
    assert not any(warning.number for warning in data.warning)


def test_bolt_is_balanced_at_home():
    model, data = at_home("bolt")
    feet = [data.geom(f"{leg}_foot").xpos for leg in ("FL", "FR")]
    centre = data.subtree_com[model.body("base").id]
    assert abs(feet[0][0] - feet[1][0]) <= 1e-9
    assert abs(centre[0] - feet[0][0]) <= 1e-5
    assert feet[1][1] < centre[1] < feet[0][1]
    while data.time < 0.5:
        mujoco.mj_step(model, data)
    assert data.body("base").xmat.reshape(3, 3)[2, 2] >= np.cos(np.radians(10.0))


def test_cartpole_has_the_mass_matrix_of_the_task():
    """With the pole's inertia as MuJoCo makes it from the capsule that dm_control describes."""
    capsule = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><joint/><geom type='capsule' fromto='0 0 0 0 0 1' size='0.045' mass='0.1'/></body>"
        "</worldbody></mujoco>")
    model = load("cartpole")
    assert np.abs(model.body("pole").inertia - capsule.body_inertia[1]).max() <= 1e-12
    data = mujoco.MjData(model)
    inertia, moment = capsule.body_inertia[1][0], 0.1 * 0.5
    for angle in (0.0, 0.7, 3.0, -1.9):
        data.qpos[:] = [0.3, angle]
        mujoco.mj_forward(model, data)
        coupling = moment * np.cos(angle)
        expected = [[1.1, coupling], [coupling, inertia + 0.1 * 0.5**2]]
        assert np.abs(mass_matrix(model, data) - expected).max() <= 1e-10


def test_double_pendulum_accelerates_as_the_task():
    """envs/pendulum/double_pendulum.hpp's equations, in angles from upright."""
    model = load("double_pendulum")
    data = mujoco.MjData(model)
    mass, length, gravity, damping = 0.5, 0.5, 9.81, 0.01
    random = np.random.default_rng(4)
    for _ in range(20):
        (a, b), (da, db), u = random.uniform(-3, 3, 2), random.uniform(-5, 5, 2), random.uniform(-1, 1, 2)
        data.qpos[:], data.qvel[:], data.ctrl[:] = [a, b - a], [da, db - da], u
        mujoco.mj_forward(model, data)
        inertia, swirl = mass * length**2, 0.5 * mass * length**2 * np.sin(a - b)
        weight, friction = mass * gravity * length, damping * (db - da)
        matrix = inertia * np.array([[4 / 3, np.cos(a - b) / 2], [np.cos(a - b) / 2, 1 / 3]])
        force = [u[0] - u[1] + 1.5 * weight * np.sin(a) - swirl * db**2 - damping * da + friction,
                 u[1] + 0.5 * weight * np.sin(b) + swirl * da**2 - friction]
        expected = np.linalg.solve(matrix, force)
        got = [data.qacc[0], data.qacc[0] + data.qacc[1]]
        assert np.abs(got - expected).max() <= 1e-8 * max(1.0, np.abs(expected).max())


def test_terrain_is_measured_beside_mujoco():
    said = run_json("bench", "physics", "--robot", "go2", "--dt", 0.005, "--scene", "terrain", "--terrain", "stairs-up,rough",
                    "--num-envs", 64, "--repetitions", 1, "--mujoco", "--device", "cpu")
    assert said["scene"] == "terrain" and said["contacts_mean"] > 0.5 and said["mujoco_contacts_mean"] > 0.5
    assert said["nonfinite"] == 0 and said["ratio"] > 0


def test_rough_treatment_on_terrain():
    said = run_json("bench", "robustness", "--robot", "solo12", "--terrain", "all", "--num-envs", 64, "--steps", 400, "--device", "cpu")
    assert said["nonfinite"] == 0 and said["contacts_mean"] > 0.1
    assert said["iteration_cap_share"] < 1e-3
    # A point that went through a box or the heights would be decimetres deep.
    assert said["deepest"] < 0.3


def test_import_makes_servos_of_motors(tmp_path):
    legs = "".join(
        f"<body pos='0 {y} 0'><joint name='{name}' axis='0 1 0' range='-57 57'/>"
        "<geom type='capsule' fromto='0 0 0 0 0 -0.3' size='0.02' mass='0.2'/></body>"
        for name, y in (("left", 0.2), ("right", -0.2)))
    (tmp_path / "motors.xml").write_text(
        "<mujoco><worldbody><geom type='plane' size='0 0 1'/><geom type='cylinder' pos='3 0 0.1' size='0.3 0.1'/>"
        f"<body pos='0 0 1'><freejoint/><geom type='sphere' size='0.1' mass='1'/>{legs}</body></worldbody><actuator>"
        "<motor joint='left' ctrlrange='-2 2' gear='3'/><motor joint='right' ctrlrange='-2 2' gear='3'/></actuator></mujoco>")
    changes = run_json("import", tmp_path / "motors.xml", "--out", tmp_path / "servos.xml", "--servos")["changes"]
    assert any("torque motors are position servos: 2" in line for line in changes), changes
    assert any("a cylinder of the world at (3, 0, 0.1) is left out" in line for line in changes), changes
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "servos.xml"))
    assert np.array_equal(model.actuator_gainprm[:, 0], [6, 6]) and np.array_equal(model.actuator_biasprm[:, 1], [-6, -6])
    assert np.array_equal(model.actuator_forcerange, [[-6, 6], [-6, 6]])
