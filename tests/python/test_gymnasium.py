"""The pendulum against Gymnasium's Pendulum-v1."""

import gymnasium
import kernels
import numpy as np
import pytest

ANGLE, RATE = 0, 1


@pytest.fixture(scope="module")
def peer():
    environment = gymnasium.make("Pendulum-v1").unwrapped
    environment.reset(seed=0)
    return environment


def step_peer(peer, state, action):
    """(next state, reward, observation) from a state (angle, rate)."""
    peer.state = np.array(state, np.float64)
    observation, reward, terminated, _, _ = peer.step(np.array(action, np.float64))
    assert not terminated
    return peer.state.copy(), reward, observation


def wrapped(angle):
    return (angle + np.pi) % (2 * np.pi) - np.pi


def test_one_step(peer):
    random = np.random.default_rng(1)
    n = 10_000
    state = np.float32(np.stack([random.uniform(-np.pi, np.pi, n), random.uniform(-8, 8, n)], 1))
    action = np.float32(random.uniform(-3, 3, (n, 1)))  # beyond the bounds, which both sides apply
    after, reward, observation = (x[0] for x in kernels.step("pendulum", state, action[None]))
    for i in range(n):
        want_state, want_reward, want_observation = step_peer(peer, state[i], action[i])
        assert abs(wrapped(after[i, ANGLE] - want_state[ANGLE])) <= 1e-5
        assert abs(after[i, RATE] - want_state[RATE]) <= 1e-5
        assert abs(reward[i] - want_reward) <= 1e-5
        assert np.max(np.abs(observation[i] - want_observation)) <= 1e-5


def test_trajectories(peer):
    random = np.random.default_rng(2)
    n, steps = 100, 199
    start = np.float32(np.stack([random.uniform(-np.pi, np.pi, n), random.uniform(-1, 1, n)], 1))
    # From no torque to all there is, smooth enough to swing up.
    size, frequency = random.uniform(0, 2, n), random.uniform(0.5, 6, n)
    actions = np.float32(size * np.sin(frequency * 0.05 * np.arange(steps)[:, None]))[:, :, None]
    after, reward, _ = kernels.step("pendulum", start, actions)
    compared = 0
    for i in range(n):
        state = start[i].astype(np.float64)
        for t in range(steps):
            if np.cos(state[ANGLE]) > 0.9 and abs(state[RATE]) < 2:
                break  # passing the unstable top slowly, neighbouring trajectories part
            state, want_reward, _ = step_peer(peer, state, actions[t, i])
            assert abs(wrapped(after[t, i, ANGLE] - state[ANGLE])) <= 1e-3, (i, t)
            assert abs(after[t, i, RATE] - state[RATE]) <= 1e-3, (i, t)
            # The cost is the angle's square: its slope goes up to 2 pi.
            assert abs(reward[t, i] - want_reward) <= 1e-2, (i, t)
            compared += 1
    assert compared > 0.5 * n * steps, compared


def test_the_protocol_is_the_peers(peer):
    assert gymnasium.spec("Pendulum-v1").max_episode_steps == 200
    assert peer.max_torque == 2.0 and peer.max_speed == 8.0
