"""stampede.Simulation: MuJoCo's order and conventions, live arrays, and what is refused."""

import pathlib
import threading

import mujoco
import numpy
import pytest
from program import line_of

stampede = pytest.importorskip("stampede", reason="built without STAMPEDE_PYTHON_PACKAGE")
GO2 = pathlib.Path(__file__).resolve().parents[2] / "envs/legged/robots/go2.xml"


@pytest.fixture(scope="module")
def go2():
    return mujoco.MjModel.from_xml_path(str(GO2))


def states(model, count, height, seed=3):
    """Random states of a robot in the air: (qpos, qvel, ctrl)."""
    random = numpy.random.default_rng(seed)
    qpos = numpy.tile(model.key_qpos[0], (count, 1))
    qpos[:, 2] = height
    qpos[:, 3:7] = random.normal(size=(count, 4))
    qpos[:, 3:7] /= numpy.linalg.norm(qpos[:, 3:7], axis=1, keepdims=True)
    qpos[:, 7:] += random.uniform(-0.2, 0.2, (count, model.nq - 7))
    qvel = random.normal(size=(count, model.nv))
    ctrl = model.key_ctrl[0] + random.uniform(-0.3, 0.3, (count, model.nu))
    return tuple(numpy.float32(x).astype(float) for x in (qpos, qvel, ctrl))


def test_names_and_home_are_mujocos(go2):
    sim = stampede.Simulation(GO2, num_envs=2)
    assert (sim.nq, sim.nv, sim.nu) == (go2.nq, go2.nv, go2.nu)
    joints = [go2.joint(i).name for i in range(go2.njnt) if go2.jnt_type[i] != mujoco.mjtJoint.mjJNT_FREE]
    assert sim.joint_names == joints
    assert sim.actuated_joint_names == [go2.joint(go2.actuator_trnid[i, 0]).name for i in range(go2.nu)]
    assert sim.timestep == go2.opt.timestep
    numpy.testing.assert_allclose(sim.home_qpos, go2.key_qpos[0], atol=1e-6)
    numpy.testing.assert_allclose(sim.qpos, numpy.tile(go2.key_qpos[0], (2, 1)), atol=1e-6)
    numpy.testing.assert_allclose(sim.ctrl, numpy.tile(go2.key_ctrl[0], (2, 1)), atol=1e-6)
    assert sim.qpos.dtype == sim.qvel.dtype == sim.ctrl.dtype == numpy.float32
    numpy.testing.assert_allclose(sim.total_mass, go2.body_mass.sum(), rtol=1e-6)


def test_forward_finds_what_mujoco_finds(go2):
    """Quaternions as w x y z, linear velocity in world axes, angular in the base's own: else these would differ."""
    sim = stampede.Simulation(GO2, num_envs=20)
    qpos, qvel, ctrl = states(go2, 20, height=2.0)
    sim.qpos, sim.qvel, sim.ctrl = qpos, qvel, ctrl
    sim.forward()
    numpy.testing.assert_array_equal(sim.qpos, numpy.float32(qpos))  # nothing moves
    data = mujoco.MjData(go2)
    full = numpy.zeros((go2.nv, go2.nv))
    for env in range(20):
        data.qpos, data.qvel, data.ctrl = qpos[env], qvel[env], ctrl[env]
        mujoco.mj_forward(go2, data)
        mujoco.mj_fullM(go2, data, full)
        for ours, theirs in ((sim.qacc, data.qacc), (sim.qfrc_bias, data.qfrc_bias), (sim.mass_matrix, full)):
            numpy.testing.assert_allclose(ours[env], theirs, rtol=1e-3, atol=1e-4 * numpy.abs(theirs).max())
        assert sim.ncon[env] == data.ncon == 0


def test_steps_are_mujocos(go2):
    sim = stampede.Simulation(GO2, num_envs=20)
    qpos, qvel, ctrl = states(go2, 20, height=2.0)
    sim.qpos[:], sim.qvel[:], sim.ctrl[:] = qpos, qvel, ctrl
    sim.step(5)
    data = mujoco.MjData(go2)
    for env in range(20):
        mujoco.mj_resetData(go2, data)
        data.qpos, data.qvel, data.ctrl = qpos[env], qvel[env], ctrl[env]
        mujoco.mj_step(go2, data, 5)
        numpy.testing.assert_allclose(sim.qpos[env], data.qpos, atol=2e-4)
        numpy.testing.assert_allclose(sim.qvel[env], data.qvel, atol=1e-2)
        assert sim.time[env] == pytest.approx(data.time)


def test_contact_forces_carry_the_robot(go2):
    sim = stampede.Simulation("go2", num_envs=3, contact_forces=True)
    sim.step(int(2 / sim.timestep))
    sim.step(4)  # when it has come to rest: the largest force of the steps before is that of the landing
    limbs = sim.limb_joints
    assert sim.contact_force.shape == (3, len(limbs), len(limbs[0]) + 2)
    assert limbs[0] == sim.joint_names[:3]
    feet = sim.contact_force[:, :, -1].sum(axis=1)
    numpy.testing.assert_allclose(feet, 9.81 * sim.total_mass, rtol=0.05)
    assert not sim.contact_force[:, :, 1:-1].any()  # it stands on nothing but its feet
    line = line_of(lambda: stampede.Simulation("go2").contact_force)
    assert "contact_forces=True" in line


def test_live_arrays_are_read_and_written():
    sim = stampede.Simulation("go2", num_envs=5)
    seen, targets = sim.qpos, sim.ctrl
    sim.step(10)
    assert not numpy.array_equal(seen[0], sim.home_qpos)  # the view that was taken before shows the new state
    numpy.testing.assert_array_equal(seen[0], seen[4])
    seen[3, 2] += 1
    before = seen.copy()
    sim.step(0)
    numpy.testing.assert_array_equal(seen, before)
    targets[1] += 0.2
    sim.step(10)
    assert seen[3, 2] > seen[0, 2] + 0.9
    numpy.testing.assert_array_equal(seen[0], seen[4])
    assert not numpy.array_equal(seen[1], seen[0])


def test_a_write_to_one_environment_leaves_the_others_bits():
    alone, beside = (stampede.Simulation("go2", num_envs=6) for _ in range(2))
    for sim in (alone, beside):
        sim.step(20)
    beside.qvel[2] += 0.5
    for sim in (alone, beside):
        sim.step(20)
    others = [0, 1, 3, 4, 5]
    numpy.testing.assert_array_equal(alone.qpos[others], beside.qpos[others])
    assert not numpy.array_equal(alone.qpos[2], beside.qpos[2])


def test_each_environment_has_its_own_physics():
    sim = stampede.Simulation("go2", num_envs=6)
    sim.push_force[1] = [0, 100, 0]
    sim.friction[2] = 0.1
    sim.push_force[2] = [0, 30, 0]
    sim.push_force[3] = [0, 30, 0]
    sim.stiffness[4] = 0.3
    sim.gravity[5] = [0, 0, -1.62]
    sim.step(200)
    sideways, height = sim.qpos[:, 1], sim.qpos[:, 2]
    assert sideways[1] > 0.1 > abs(sideways[0])
    assert sideways[2] > sideways[3] + 0.01  # on ice a push moves it farther
    assert height[4] < height[0] - 0.01  # soft knees give way
    assert height[5] > height[0]
    sim.friction = 1.0
    assert (sim.friction == 1).all()
    assert sim.mass.shape == (6, 12)


def test_reset():
    sim = stampede.Simulation("go2", num_envs=4)
    sim.ctrl[:] += 0.1
    sim.step(50)
    moved = sim.qpos.copy()
    sim.reset([1, 3])
    numpy.testing.assert_array_equal(sim.qpos[[1, 3]], numpy.tile(sim.home_qpos, (2, 1)))
    numpy.testing.assert_array_equal(sim.qpos[[0, 2]], moved[[0, 2]])
    assert (sim.qvel[[1, 3]] == 0).all() and (sim.time[[1, 3]] == 0).all() and (sim.time[[0, 2]] > 0).all()
    numpy.testing.assert_array_equal(sim.ctrl[1], sim.home_ctrl)
    sim.reset(sim.time > 0)
    assert (sim.time == 0).all()
    sim.step(50)
    sim.reset()
    fresh = stampede.Simulation("go2", num_envs=4)
    for each in (sim, fresh):
        each.step(30)
    numpy.testing.assert_array_equal(sim.qpos, fresh.qpos)  # nothing of the solver's start is left
    assert "no environment 4" in line_of(lambda: sim.reset([4]))
    assert "mask of shape [3]" in line_of(lambda: sim.reset(numpy.ones(3, bool)))
    assert "float64" in line_of(lambda: sim.reset([0.5]))


def test_any_number_of_threads_gives_the_same_bits():
    results = []
    for threads in (1, 3):
        sim = stampede.Simulation("go2", num_envs=70, threads=threads)
        sim.qvel[:] = numpy.random.default_rng(1).normal(size=sim.qvel.shape)
        sim.step(60)
        results.append(sim.qpos.copy())
    numpy.testing.assert_array_equal(*results)


@pytest.mark.parametrize("array, value, wanted", [
    ("ctrl", numpy.nan, "ctrl[2, 1] is NaN; a finite number would be right"),
    ("qpos", numpy.inf, "qpos[2, 1] is inf; a finite number would be right"),
    ("qvel", -numpy.inf, "qvel[2, 1] is -inf; a finite number would be right"),
    ("push_force", numpy.nan, "push_force[2, 1] is NaN; a finite number would be right"),
])
def test_what_is_not_finite_is_refused_and_moves_nothing(array, value, wanted):
    sim = stampede.Simulation("go2", num_envs=3)
    sim.step(3)
    before = sim.qpos.copy(), sim.time.copy()
    kept = getattr(sim, array)[2, 1]
    getattr(sim, array)[2, 1] = value
    for call in (lambda: sim.step(4), sim.forward):
        assert line_of(call) == wanted
    getattr(sim, array)[2, 1] = kept
    numpy.testing.assert_array_equal(sim.qpos, before[0])
    numpy.testing.assert_array_equal(sim.time, before[1])
    sim.step(1)
    assert sim.counts["nonfinite"] == 0


class OnGpu:
    """As an array of another library says where it lies."""

    device = "cuda:0"
    shape, ndim = (3, 12), 2

    def __array__(self, *_, **__):
        raise AssertionError("it was copied")


def test_arrays_say_what_was_wanted():
    sim = stampede.Simulation("go2", num_envs=3)

    def put(value):
        sim.ctrl = value

    wanted = "float32 [3, 12] would be right"
    assert line_of(lambda: put(numpy.zeros((3, 11)))) == f"ctrl: an array of shape [3, 11] is given; {wanted}"
    unfit = numpy.zeros((3, 12), complex)
    assert line_of(lambda: put(unfit)) == f"ctrl: an array of type complex128 is given; {wanted}"
    assert line_of(lambda: put([["x"] * 12] * 3)).startswith("ctrl: an array of type <U1 is given")
    assert line_of(lambda: put(OnGpu())) == f"ctrl: the array lies on cuda:0; copy it to the host first: {wanted}"
    assert "qpos[0, 3:7] is a quaternion of length 0" in line_of(lambda: (sim.qpos[0].fill(0), sim.step()))
    assert "n -1 is out of range" in line_of(lambda: sim.step(-1))
    assert "n: 1.5 is no whole number" in line_of(lambda: sim.step(1.5))


def test_what_cannot_be_made_is_refused():
    assert "did you mean 'go2'" in line_of(lambda: stampede.Simulation("goo2"))
    assert "num_envs 0 is out of range" in line_of(lambda: stampede.Simulation("go2", num_envs=0))
    assert "unknown device 'gpu'" in line_of(lambda: stampede.Simulation("go2", device="gpu"))
    assert "base 'fre'" in line_of(lambda: stampede.Simulation("go2", base="fre"))
    assert "forward()" in line_of(lambda: stampede.Simulation("go2").qacc)
    with pytest.raises(ValueError):  # an InputError is one
        stampede.Simulation("go2", threads=-1)


def test_other_threads_run_while_it_steps_and_may_not_step_it():
    sim = stampede.Simulation("go2", num_envs=2048, threads=1)
    lines, ticks, together = [], 0, threading.Barrier(2)

    def steps():
        together.wait()
        try:
            sim.step(200)
        except stampede.Error as error:
            lines.append(str(error))

    threads = [threading.Thread(target=steps) for _ in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        ticks += 1  # counts only while the lock is free
    assert lines == ["the simulation is in use by another thread; one that waits for it would be right"]
    assert ticks > 1000 and sim.time[0] == pytest.approx(200 * sim.timestep)


def test_use_after_close():
    with stampede.Simulation("go2", num_envs=2) as sim:
        seen = sim.qpos
    assert sim.closed and "closed" in repr(sim)
    for use in (sim.step, sim.forward, sim.reset, lambda: sim.qpos, lambda: sim.nq):
        assert line_of(use, stampede.Error) == "the simulation is closed; make a new one"
    assert seen[1, 2] > 0.1  # what was taken before is still there
    sim.close()
