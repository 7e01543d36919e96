"""stampede.cleanrl.VectorEnv: what CleanRL's script makes of single environments with Gymnasium's wrappers, and reads from info."""

import gymnasium
import numpy
import pytest
from program import line_of

stampede = pytest.importorskip("stampede", reason="built without STAMPEDE_PYTHON_PACKAGE")
from stampede.cleanrl import VectorEnv  # noqa: E402


def wrapped(task, gamma, seed):
    """One environment in the wrappers that ppo_continuous_action.py puts around each."""
    env = gymnasium.make(f"stampede/{task}", seed=seed, actions="network", disable_env_checker=True)
    env = gymnasium.wrappers.RecordEpisodeStatistics(env)
    env = gymnasium.wrappers.ClipAction(env)
    env = gymnasium.wrappers.NormalizeObservation(env)
    env = gymnasium.wrappers.TransformObservation(env, lambda seen: numpy.clip(seen, -10, 10), env.observation_space)
    env = gymnasium.wrappers.NormalizeReward(env, gamma=gamma)
    return gymnasium.wrappers.TransformReward(env, lambda reward: numpy.clip(reward, -10, 10))


@pytest.mark.parametrize("task", ["pendulum", "go2-flat"])
def test_one_environment_is_as_cleanrl_would_wrap_it(task):
    settings = {"seed": 5}
    theirs = wrapped(task, 0.97, 5)
    ours = VectorEnv(task, 1, gamma=0.97, random_initial_phase=False, **settings)
    numpy.testing.assert_allclose(ours.reset()[0][0], theirs.reset()[0], atol=1e-4)
    random = numpy.random.default_rng(2)
    for step in range(1, 501):
        action = random.normal(size=ours.single_action_space.shape).astype(numpy.float32)
        seen, reward, terminated, truncated, info = theirs.step(action)
        observations, rewards, terminations, truncations, infos = ours.step(action[None])
        assert (terminations[0], truncations[0]) == (terminated, truncated)
        if terminated or truncated:
            break
        assert "final_info" not in infos
        # Not where it ends: Gymnasium's wrapper leaves what came before out of an episode's last discounted return.
        assert rewards[0] == pytest.approx(reward, rel=1e-3, abs=1e-4) and observations.dtype == numpy.float32
        # Sums in other orders; a hundredth of a deviation is left for what divides by nearly nothing.
        numpy.testing.assert_allclose(observations[0], seen, atol=1e-2)
    assert terminated or truncated
    told = infos["final_info"]
    assert told["_episode"].tolist() == [True]
    assert told["episode"]["r"][0] == pytest.approx(info["episode"]["r"], rel=1e-4)
    assert told["episode"]["l"][0] == info["episode"]["l"] == step


def test_many_environments():
    env = VectorEnv("pendulum", 64, gamma=0.9, seed=3)
    plain = stampede.VectorEnv("pendulum", 64, seed=3, actions="network", random_initial_phase=True)
    observations, _ = env.reset(seed=7)
    raw, _ = plain.reset(seed=7)
    all_seen, sums, whole = [raw], numpy.zeros(64), numpy.zeros(64, bool)
    discounted, all_discounted = numpy.zeros(64), []
    episodes = 0
    for _ in range(230):
        actions = env.action_space.sample()
        observations, rewards, _, truncations, info = env.step(actions)
        raw, reward, _, ended, plain_info = plain.step(actions)
        all_seen.append(raw)
        sums += reward
        discounted = 0.9 * discounted + reward
        all_discounted.append(discounted.copy())
        every, returns = numpy.concatenate(all_seen), numpy.concatenate(all_discounted)
        expected = (raw - every.mean(axis=0)) / every.std(axis=0)
        numpy.testing.assert_allclose(observations, expected, atol=2e-3)
        numpy.testing.assert_allclose(rewards, numpy.clip(reward / returns.std(), -10, 10), rtol=1e-2, atol=1e-3)
        assert (truncations == ended).all()
        if ended.any():
            last = (plain_info["final_obs"] - env.seen.mean) / numpy.sqrt(env.seen.var)
            numpy.testing.assert_allclose(info["final_obs"][ended], last[ended], atol=0.1)
        told = ended & whole  # the first episodes began at random ages
        assert ("final_info" in info) == told.any()
        if told.any():
            numpy.testing.assert_array_equal(info["final_info"]["_episode"], told)
            numpy.testing.assert_allclose(info["final_info"]["episode"]["r"][told], sums[told], rtol=1e-4)
            assert (info["final_info"]["episode"]["l"][told] == 200).all()
        episodes += told.sum()
        whole |= ended
        sums[ended] = discounted[ended] = 0
    assert 0 < episodes < 64 and whole.all()


def test_statistics_stay_where_a_policy_is_judged():
    env = VectorEnv("cartpole-swingup", 8)
    env.reset()
    for _ in range(20):
        env.step(env.action_space.sample())
    env.update_running_mean = False
    mean, deviation = env.seen.mean.copy(), env.returns.var.copy()
    for _ in range(20):
        env.step(env.action_space.sample())
    env.reset(seed=2)
    assert (env.seen.mean == mean).all() and env.returns.var == deviation
    assert "gamma: 1.1 is out of range" in line_of(lambda: VectorEnv("pendulum", 2, gamma=1.1))
    assert "did you mean 'pendulum'" in line_of(lambda: VectorEnv("pendullum", 2))


class Layer:
    def __init__(self, random, outputs, inputs):
        self.weight, self.bias = random.normal(size=(outputs, inputs)), random.normal(size=outputs)


class Tanh:
    pass


def test_what_was_learned_is_written(tmp_path):
    env = VectorEnv("pendulum", 16, seed=1)
    observations, _ = env.reset()
    for _ in range(30):
        observations, *_ = env.step(env.action_space.sample())
    env.update_running_mean = False
    random = numpy.random.default_rng(1)
    network = [Layer(random, 8, 3), Tanh(), Layer(random, 1, 8)]
    env.save_policy(tmp_path / "policy.onnx", network)
    policy = stampede.load(tmp_path / "policy.onnx")
    raw = env.env._open.observations("policy").copy()
    hidden = numpy.tanh(observations @ network[0].weight.T + network[0].bias)
    task = env.env._task
    wanted = (hidden @ network[2].weight.T + network[2].bias) * task.action_scale + task.action_centre
    numpy.testing.assert_allclose(policy.act(raw), numpy.clip(wanted, task.action_low, task.action_high), atol=0.02)
