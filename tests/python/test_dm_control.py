"""The cart-pole against dm_control's cartpole swingup, the rail's ends included."""

import os

os.environ.setdefault("MUJOCO_GL", "disabled")

import kernels  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from dm_control import suite  # noqa: E402


@pytest.fixture(scope="module")
def peer():
    return suite.load("cartpole", "swingup", task_kwargs={"random": 0})


def step_peer(peer, state, action):
    """(next state, reward, observation) from a state (position, angle, velocity, rate)."""
    peer.reset()
    with peer.physics.reset_context():
        peer.physics.data.qpos[:] = state[:2]
        peer.physics.data.qvel[:] = state[2:]
    result = peer.step(action)
    physics = peer.physics.data
    # position and cosine and sine of the angle, then the velocities
    observation = np.concatenate([result.observation["position"], result.observation["velocity"]])
    return np.concatenate([physics.qpos, physics.qvel]), result.reward, observation


def wrapped(angle):
    return (angle + np.pi) % (2 * np.pi) - np.pi


def difference(a, b):
    d = a - b
    d[..., 1] = wrapped(d[..., 1])
    return np.abs(d)


def scattered(random, n, reach):
    return np.float32(np.stack([random.uniform(-reach, reach, n), random.uniform(-np.pi, np.pi, n),
                                random.uniform(-4, 4, n), random.uniform(-10, 10, n)], 1))


@pytest.mark.parametrize("reach", [1.7, 1.85])
def test_one_step(peer, reach):
    random = np.random.default_rng(1)
    n = 2000
    state, action = scattered(random, n, reach), np.float32(random.uniform(-1, 1, (n, 1)))
    if reach > 1.8:  # all of them at an end, some far in, as only a fast cart gets
        state[:, 0] = np.sign(state[:, 0]) * random.uniform(1.78, reach, n)
    after, reward, observation = (x[0] for x in kernels.step("cartpole-swingup", state, action[None]))
    for i in range(n):
        want, want_reward, want_observation = step_peer(peer, state[i].astype(np.float64), action[i])
        assert difference(after[i], want).max() <= 2e-5, (i, state[i], after[i], want)
        assert abs(reward[i] - want_reward) <= 1e-5
        assert np.max(np.abs(observation[i] - want_observation)) <= 2e-5


def test_trajectories(peer):
    random = np.random.default_rng(2)
    n, steps = 20, 500
    start = np.float32(np.stack([random.normal(0, 0.01, n), np.pi + random.normal(0, 0.01, n),
                                 random.normal(0, 0.01, n), random.normal(0, 0.01, n)], 1))
    phase = random.uniform(0, 2 * np.pi, n)
    pushes = np.linspace(0.05, 1, n)[None, :] * np.sin(4.0 * 0.01 * np.arange(steps)[:, None] + phase)
    actions = np.float32(pushes[:, :, None])
    after, reward, _ = kernels.step("cartpole-swingup", start, actions)
    reached = 0
    for i in range(n):
        peer.reset()
        with peer.physics.reset_context():
            peer.physics.data.qpos[:] = start[i, :2]
            peer.physics.data.qvel[:] = start[i, 2:]
        for t in range(steps):
            result = peer.step(actions[t, i])
            physics = peer.physics.data
            if np.cos(physics.qpos[1]) > 0.9 and abs(physics.qvel[1]) < 1:
                break  # slowly past the unstable top
            want = np.concatenate([physics.qpos, physics.qvel])
            assert difference(after[t, i], want).max() <= 1e-3, (i, t, after[t, i], want)
            assert abs(reward[t, i] - result.reward) <= 1e-3, (i, t)
            reached = max(reached, abs(want[0]))
    assert reached > 1.8, "some trajectory runs into an end of the rail"


def test_the_protocol_is_the_peers(peer):
    assert peer.control_timestep() == pytest.approx(0.01)
    assert peer._step_limit == 1000
    specification = peer.action_spec()
    assert specification.minimum == -1 and specification.maximum == 1
