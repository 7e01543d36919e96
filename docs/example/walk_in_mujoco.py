"""Walks a robot in MuJoCo with a policy that stampede exported:

  python docs/example/walk_in_mujoco.py policy.onnx robot.xml [forward sideways turning] [seconds]

Velocities are in m/s (forward, to the left) and rad/s (to the left); without them it walks at 0.5 0 0 for 10 s. The
program needs onnxruntime, mujoco and numpy, and nothing of stampede: besides the robot's file, all that it knows comes
from the metadata of policy.onnx (docs/deploy.md lists them). Copy it when you write the program for your own robot: there,
sensors take the place of `data`, and the motors' controllers that of MuJoCo's servos.
"""
import json
import sys

import mujoco
import numpy as np
import onnxruntime


def require(condition, line):
    if not condition:
        print(f"walk_in_mujoco: {line}", file=sys.stderr)
        sys.exit(2)


def fact(key):
    require(key in facts, f"{sys.argv[1]} is no policy for walking: its metadata lack '{key}'")
    return json.loads(facts[key])


require(len(sys.argv) in (3, 4, 6, 7), "usage: policy.onnx robot.xml [forward sideways turning] [seconds]")
try:
    numbers = [float(word) for word in sys.argv[3:]]
    policy = onnxruntime.InferenceSession(sys.argv[1])
    robot = mujoco.MjSpec.from_file(sys.argv[2])
except Exception as error:
    require(False, str(error).splitlines()[0])
command = numbers[:3] if len(numbers) > 1 else [0.5, 0, 0]
seconds = numbers[-1] if len(numbers) in (1, 4) else 10
require(np.isfinite(command).all() and 0.1 <= seconds <= 1e6, "velocities must be finite, seconds from 0.1 to 1e6")
facts = policy.get_modelmeta().custom_metadata_map
seen = json.loads(facts.get("observation_groups", "{}")).get("policy", {})  # policies of earlier versions do not say
plain = [seen.get(key, usual) for key, usual in (("every", 1), ("delay", 0), ("history", 1))] == [1, 0, 1]
require(plain, "the policy wants late or earlier readings, which are not kept here")
require(len(policy.get_inputs()) == 1, "the policy's network has a state, which is not kept here")
joints, default = fact("joint_order"), np.array(fact("default_pose"))  # all lists of joints' numbers are in this order

# In place of the file's actuators, each joint gets the servo that the policy was trained with. Its torque is
# stiffness * (target - angle) - damping * velocity, kept between torque_low and torque_high.
for actuator in list(robot.actuators):
    robot.delete(actuator)
for joint, kp, kv, *limits in zip(joints, *map(fact, ("stiffness", "damping", "torque_low", "torque_high"))):
    require(robot.joint(joint), f"{sys.argv[2]} has no joint '{joint}', which the policy moves")
    servo = robot.add_actuator(target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT, forcelimited=True, forcerange=limits)
    servo.set_to_position(kp=kp, kv=kv)
model = robot.compile()
model.opt.timestep = fact("physics_dt")
data = mujoco.MjData(model)
angles = [model.joint(joint).qposadr[0] for joint in joints]  # places in data.qpos; the first seven are the base's
rates = [model.joint(joint).dofadr[0] for joint in joints]  # places in data.qvel; the first six are the base's
base = model.jnt_bodyid[0]
floor, *parts = np.flatnonzero(model.geom_contype | model.geom_conaffinity)
free = model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE
require(free and model.geom_bodyid[floor] == 0, f"{sys.argv[2]} must have a floor, then a base with a free joint")

# Begin in the default pose, with the lowest part on the floor.
data.qpos[angles], data.qpos[2], data.ctrl[:] = default, 5, default
mujoco.mj_kinematics(model, data)
data.qpos[2] -= min(mujoco.mj_geomDistance(model, data, floor, part, 10, None) for part in parts)
velocities, fell = [], False

while len(velocities) < seconds / fact("control_dt") - 0.5 and not fell:
    mujoco.mj_forward(model, data)  # a step renews only data.qpos and data.qvel, not what follows from them
    axes = data.xmat[base].reshape(3, 3)  # its columns are the base's axes: forward, left, up
    sensed = {
        "base_linear_velocity": axes.T @ data.qvel[0:3],  # along the base's axes [m/s]
        "base_angular_velocity": data.qvel[3:6],  # about the base's axes, as a gyroscope and MuJoCo have it [rad/s]
        "projected_gravity": axes.T @ [0, 0, -1],  # which way is down, along the base's axes; its length is 1
        "command": command,
        "joint_position": data.qpos[angles] - default,  # [rad]
        "joint_velocity": data.qvel[rates],  # [rad/s]
        "last_action": (data.ctrl - default) / fact("action_scale"),  # of the last targets; 0 at first
    }
    for term in fact("observation_terms"):
        require(term in sensed, f"the policy observes '{term}', which this program does not measure")
    observation = np.concatenate([sensed[term] for term in fact("observation_terms")], dtype=np.float32)
    data.ctrl[:] = policy.run(None, {"obs": observation[None]})[0][0]  # the joints' target angles [rad]
    mujoco.mj_step(model, data, fact("decimation"))  # the physics takes several steps for each of the policy's
    velocities.append([*sensed["base_linear_velocity"][:2], sensed["base_angular_velocity"][2]])
    fell = axes[2, 2] < 0.5 or base in model.geom_bodyid[data.contact.geom]  # leans by 60 degrees or lies on its base

print(f"walked {np.hypot(*data.qpos[0:2]):.2f} m in {data.time:.2f} s and {'fell' if fell else 'did not fall'}")
for name, velocity in ("commanded", command), ("reached", np.mean(velocities, axis=0)):
    print("{}: {:.2f} m/s forward, {:.2f} m/s sideways, {:.2f} rad/s turning".format(name, *velocity))
