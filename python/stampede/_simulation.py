"""Robots of a description, side by side, with live arrays."""

import numpy

from . import _arguments, _core
from ._core import InputError


def _live(name, text):
    """A property for a live array of the engine's, to be read and written in place; `sim.name = x` writes all of it."""

    def get(self):
        return getattr(self._open, name)

    def put(self, values):
        to = getattr(self._open, name)
        if numpy.ndim(values) > 0:
            values = _arguments.array(name, values, to.shape, to.dtype)
        to[...] = values

    return property(get, put, doc=text)


def _found(name, text):
    return property(lambda self: getattr(self._open, name), doc=text)


class Simulation(_arguments.Closing):
    """``num_envs`` copies of a robot, each with a state, controls and physical parameters of its own.

    Arrays have a row for each environment and follow MuJoCo: joints, velocities and controls in the order of its model
    of the same file, quaternions as w x y z, the base's velocity as linear in world axes and angular in its own axes.
    They are 32-bit floats, as what the engine computes.

    Live arrays are updated by every step. What is written into them takes effect with the next ``step`` or ``forward``,
    which looks for the environments that were changed. They stay the same objects' memory all the time, so a view that
    was taken once goes on showing the newest state.

        sim = stampede.Simulation("go2", num_envs=4096)
        for _ in range(250):
            sim.ctrl[:] = targets_for(sim.qpos, sim.qvel)
            sim.step(4)
            sim.reset(sim.qpos[:, 2] < 0.15)

    robot: name of one that comes with stampede, or an MJCF or URDF file. timestep: instead of the file's [s]. base:
    "auto" as the file says, "free" or "fixed". contact_forces: keep them. device: "auto", "cpu", "cuda", or "cuda:1"
    and so on; on a GPU the arrays are the host's copies. threads: of the host; 0: all cores. Raises InputError where
    the robot cannot be simulated as its file says.
    """

    _kind = "simulation"

    def __init__(self, robot, num_envs=1, *, timestep=None, base="auto", contact_forces=False, device="auto",
                 threads=0):
        num_envs = _arguments.whole_number("num_envs", num_envs, 1)
        engine = _core.make_engine(device, threads)
        self._handle = _core.Robots(engine, _arguments.path(robot), num_envs, timestep, base, bool(contact_forces))
        self.device = engine.device  #: "cpu" or "cuda"
        self.num_envs = num_envs

    qpos = _live("qpos", "[num_envs, nq] positions: of a free base x y z [m] and a quaternion w x y z, then the "
                         "joints'.")
    qvel = _live("qvel", "[num_envs, nv] velocities: of a free base linear [m/s] in world axes and angular [rad/s] in "
                         "the base's own axes, then the joints'.")
    ctrl = _live("ctrl", "[num_envs, nu] controls: what the robot's actuators take, as targets of position servos "
                         "[rad].")
    gravity = _live("gravity", "[num_envs, 3] in world axes [m/s^2].")
    friction = _live("friction", "[num_envs] factor on the friction of contacts.")
    base_mass = _live("base_mass", "[num_envs] factor on the base's mass and inertia.")
    base_centre = _live("base_centre", "[num_envs, 3] added to the base's centre of mass, in its own axes [m].")
    push_force = _live("push_force", "[num_envs, 3] at the base's centre of mass, in world axes [N].")
    push_torque = _live("push_torque", "[num_envs, 3] on the base, in world axes [N m].")
    mass = _live("mass", "[num_envs, joints] factor on the mass and inertia of each joint's link.")
    strength = _live("strength", "[num_envs, joints] factor on each actuator's force.")
    stiffness = _live("stiffness", "[num_envs, joints] factor on each servo's gain.")
    damping = _live("damping", "[num_envs, joints] factor on each servo's gain on velocity.")
    armature = _live("armature", "[num_envs, joints] factor on each joint's armature.")
    friction_loss = _live("friction_loss", "[num_envs, joints] factor on each joint's dry friction.")

    time = _found("time", "[num_envs] since the start or the last reset [s], in double precision. Not a control.")
    contact_force = _found("contact_force",
                           "[num_envs, limbs, parts]: the ground's force on the limb's share of the base, on each link "
                           "along it, and on its foot, which comes last: magnitudes, the largest of the last step() "
                           "[N].")
    qacc = _found("qacc", "[num_envs, nv] accelerations that the last forward() found.")
    qfrc_bias = _found("qfrc_bias", "[num_envs, nv] gravity, centrifugal and Coriolis forces, as of the last "
                                    "forward().")
    mass_matrix = _found("mass_matrix", "[num_envs, nv, nv] as of the last forward().")
    ncon = _found("ncon", "[num_envs] contacts that the last forward() found.")

    scene = _found("scene", "Robot and ground as the bytes of an MJB file, for the same version of MuJoCo.")
    nq = _found("nq", "Numbers of a position.")
    nv = _found("nv", "Numbers of a velocity.")
    nu = _found("nu", "Controls.")
    timestep = _found("timestep", "Of a step [s].")
    total_mass = _found("total_mass", "Of the robot as described [kg].")
    joint_names = _found("joint_names", "Of the joints, in the order of qvel.")
    actuated_joint_names = _found("actuated_joint_names", "Of the joints that ctrl drives, in its order.")
    limb_joints = _found("limb_joints", "For each limb its joints' names from the base on: contact_force's order.")
    notes = _found("notes", "What is simulated otherwise than the robot's file says.")
    counts = _found("counts", "Since the start, over all environments: steps, contacts, the solver's iterations and "
                              "those that reached their limit, contacts_over_slots that were left out, and nonfinite, "
                              "steps not taken because the state would have become NaN or infinite.")

    @property
    def home_qpos(self):
        """[nq] where reset() puts an environment: the file's first keyframe, else its reference pose."""
        return numpy.array(self._open.home_qpos, numpy.float32)

    @property
    def home_ctrl(self):
        """[nu] the controls there."""
        return numpy.array(self._open.home_ctrl, numpy.float32)

    def step(self, n=1):
        """Takes all environments n steps of `timestep` on with the controls in `ctrl`.

        Other Python threads run meanwhile. Raises InputError, and changes nothing, where a control or what was written
        is NaN or infinite. An environment that would become non-finite stays as it was, and is counted.
        """
        self._open.step(_arguments.whole_number("n", n, 0))

    def forward(self):
        """Computes qacc, qfrc_bias, mass_matrix and ncon of the step that would come next; nothing moves."""
        self._open.forward()

    def reset(self, ids=None):
        """Puts environments at home, without motion, with home controls and time 0; factors and pushes stay.

        ids: which, as indices or as a mask of num_envs truth values; None: all.
        """
        handle = self._open
        if ids is None:
            return handle.reset(numpy.arange(self.num_envs, dtype=numpy.int64))
        ids = numpy.atleast_1d(numpy.asarray(ids))
        wanted = f"indices below {self.num_envs}, or a mask of {self.num_envs} truth values, would be right"
        if ids.dtype == bool:
            if ids.shape != (self.num_envs,):
                raise InputError(f"ids: a mask of shape {list(ids.shape)} is given; {wanted}")
            ids = numpy.flatnonzero(ids)
        if ids.ndim != 1 or (ids.size > 0 and ids.dtype.kind not in "iu"):
            raise InputError(f"ids: an array of type {ids.dtype} and shape {list(ids.shape)} is given; {wanted}")
        ids = ids.astype(numpy.int64)
        outside = ids[(ids < 0) | (ids >= self.num_envs)]
        if outside.size > 0:
            raise InputError(f"ids: there is no environment {outside[0]}; {wanted}")
        handle.reset(ids)

    def __repr__(self):
        if self.closed:
            return "<stampede.Simulation, closed>"
        return f"<stampede.Simulation of {self.num_envs} {self._open.name} on {self.device}>"
