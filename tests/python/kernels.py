"""Runs the kernels on arrays of this side, through the programs that are built beside the tests."""

import os
import subprocess

import numpy as np
import program

FOLDER = os.path.join(os.path.dirname(os.path.abspath(program.PROGRAM)), "tests")
SIZES = {"pendulum": (2, 1, 3), "cartpole-swingup": (4, 1, 5), "double-pendulum": (5, 2, 6)}


def _run(name, arguments, given):
    command = [os.path.join(FOLDER, name), *map(str, arguments)]
    process = subprocess.run(command, input=given, capture_output=True, check=False)
    assert process.returncode == 0, process.stderr.decode()
    return np.frombuffer(process.stdout, np.float32)


def step(task, state, actions):
    """Control steps from state [count, states] with actions [steps, count, actions].

    Returns state [steps, count, states], reward [steps, count], observation [steps, count, observations], float32.
    """
    states, width, observations = SIZES[task]
    count, steps = state.shape[0], actions.shape[0]
    assert state.shape == (count, states) and actions.shape == (steps, count, width)
    given = np.float32(state).T.tobytes() + np.float32(actions).tobytes()
    said = _run("step_environments", [task, count, steps], given).reshape(steps, -1)
    parts = np.split(said, np.cumsum([states * count, count, count]), axis=1)
    assert not parts[2].any(), "no episode ends in these comparisons"
    return (parts[0].reshape(steps, states, count).transpose(0, 2, 1), parts[1],
            parts[3].reshape(steps, count, observations))


def gradient(arrays, **settings):
    """The gradient of a minibatch, flat; see dump_gradient.cpp for the arrays and the settings."""
    given = b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)
    return _run("dump_gradient", [f"{key}={value}" for key, value in settings.items()], given)


def network(arrays, **settings):
    """Outputs, states and gradients of a recurrent network, flat; see dump_network.cpp for the arrays and the settings."""
    given = b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)
    return _run("dump_network", [f"{key}={value}" for key, value in settings.items()], given)
