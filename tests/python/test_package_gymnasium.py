"""stampede.VectorEnv and Env: Gymnasium's interface, its checkers and wrappers, and what is refused."""

import math
import pathlib
import warnings

import gymnasium
import numpy
import onnxruntime
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from program import line_of

stampede = pytest.importorskip("stampede", reason="built without STAMPEDE_PYTHON_PACKAGE")
POLICY = pathlib.Path(__file__).resolve().parents[2] / "policies/go2-flat/policy.onnx"


@pytest.mark.parametrize("task", ["pendulum", "cartpole-swingup", "go2-flat"])
def test_gymnasiums_checker(task):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Of what no environment of this kind has: bounds on what is measured, and actions of -1 to 1.
        warnings.filterwarnings("ignore", message=".*(infinity|symmetric and normalized).*")
        check_env(gymnasium.make(f"stampede/{task}").unwrapped, skip_render_check=True)


@pytest.mark.parametrize("task", ["pendulum", "go2-flat", "go2-blind"])
def test_spaces_and_types(task):
    env = gymnasium.make_vec(f"stampede/{task}", num_envs=5, seed=2)
    assert env.spec.id == f"stampede/{task}" and env.num_envs == 5
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert len(env.unwrapped.observation_names) == env.single_observation_space.shape[0]
    assert len(env.unwrapped.action_names) == env.single_action_space.shape[0]
    observations, info = env.reset(seed=4)
    assert observations in env.observation_space and isinstance(info, dict)
    env.action_space.seed(1)
    for _ in range(10):
        observations, rewards, terminations, truncations, info = env.step(env.action_space.sample())
        assert observations in env.observation_space and numpy.isfinite(observations).all()
        for array, kind in ((rewards, numpy.float32), (terminations, bool), (truncations, bool)):
            assert array.shape == (5,) and array.dtype == kind
    env.close()
    assert env.unwrapped.closed


def test_a_step_and_its_end_are_gymnasiums_pendulum():
    """The step that times out, too: the new episode's first observation is returned, the last one is in info."""
    env = stampede.VectorEnv("pendulum", num_envs=7, seed=3)
    theirs = gymnasium.make("Pendulum-v1").unwrapped
    theirs.reset()
    random = numpy.random.default_rng(0)
    observations, _ = env.reset()
    for step in range(1, 202):
        before, torques = observations, random.uniform(-2, 2, (7, 1)).astype(numpy.float32)
        observations, rewards, terminations, truncations, info = env.step(torques)
        assert not terminations.any()
        assert truncations.all() == truncations.any() == (step == 200)
        if step == 200:
            assert info["_final_obs"].all() and info["final_obs"] in env.observation_space
        else:
            assert "final_obs" not in info
        ended = info.get("final_obs", observations)
        for i in range(7):
            theirs.state = numpy.array([math.atan2(before[i, 1], before[i, 0]), before[i, 2]])
            expected, reward, *_ = theirs.step(torques[i])
            numpy.testing.assert_allclose(ended[i], expected, atol=1e-5)
            assert rewards[i] == pytest.approx(reward, abs=1e-4)
        if step == 200:
            assert not numpy.allclose(observations, info["final_obs"], atol=0.05)
    assert env.counts["episodes"] == 7 and env.counts["steps"] == 201 * 7


def test_final_observations_are_the_policys_and_the_critics():
    env = stampede.VectorEnv("go2-flat", num_envs=300, seed=1)
    ended = 0
    _, info = env.reset()
    assert info["critic"].shape[0] == 300
    for _ in range(120):
        observations, _, terminations, truncations, info = env.step(env.action_space.sample())
        over = terminations | truncations
        ended += over.sum()
        assert ("final_obs" in info) == over.any()
        if not over.any():
            continue
        numpy.testing.assert_array_equal(info["_final_obs"], over)
        assert info["final_obs"].shape == observations.shape and (info["final_obs"][~over] == 0).all()
        gravity = [env.observation_names.index(name) for name in env.observation_names if "projected_gravity" in name]
        # It was a unit vector and the robot had fallen or hit something; the new episode stands upright.
        numpy.testing.assert_allclose(numpy.linalg.norm(info["final_obs"][over][:, gravity], axis=1), 1, atol=1e-3)
        assert (observations[over][:, gravity[-1]] < -0.8).all()
    assert ended > 30 and env.counts["episodes"] == ended
    blind = stampede.VectorEnv("go2-blind", num_envs=2)
    assert env.has_final_obs and not blind.has_final_obs
    assert "VectorEnv would be right" in line_of(lambda: stampede.Env("go2-blind"))


def test_constraints_are_told():
    env = stampede.VectorEnv("go2-flat", num_envs=40)
    env.reset()
    largest = dict.fromkeys(env.constraint_names, 0.0)
    for _ in range(30):
        violations = env.step(env.action_space.sample())[-1]["violations"]
        assert list(violations) == env.constraint_names
        for name, values in violations.items():
            assert values.shape == (40,) and (values >= 0).all() and numpy.isfinite(values).all()
            largest[name] = max(largest[name], values.max())
    still = stampede.VectorEnv("go2-flat", num_envs=40)
    still.reset()
    violations = still.step(numpy.tile(numpy.float32(still._task.action_centre), (40, 1)))[-1]["violations"]
    # Random targets tear at the joints, standing does not.
    assert any(largest[name] > 10 * max(values.max(), 1e-3) for name, values in violations.items())
    assert "violations" not in stampede.VectorEnv("pendulum").step([[0.0]])[-1]


def test_seeds():
    def first(env, **options):
        return env.reset(**options)[0]

    one, same, other = (stampede.VectorEnv("go2-flat", num_envs=3, seed=seed) for seed in (1, 1, 2))
    numpy.testing.assert_array_equal(first(one), first(same))
    assert not numpy.array_equal(first(one), first(other))
    numpy.testing.assert_array_equal(first(one, seed=9), first(other, seed=9))
    actions = numpy.zeros(one.action_space.shape)
    numpy.testing.assert_array_equal(one.step(actions)[0], other.step(actions)[0])
    after, again = first(one), first(other)
    numpy.testing.assert_array_equal(after, again)  # goes on to the same random numbers ...
    assert not numpy.array_equal(after, first(same, seed=9))  # ... which are others


def test_copies_and_views():
    for copy in (True, False):
        env = stampede.VectorEnv("pendulum", num_envs=4, copy=copy)
        before, _ = env.reset()
        kept = before.copy()
        after = env.step(numpy.full((4, 1), 2.0))[0]
        assert numpy.array_equal(before, kept) == copy
        assert numpy.shares_memory(before, after) != copy
    env.close()
    assert numpy.isfinite(after).all()  # a view outlives what it was taken from


def test_actions_of_a_network():
    plain, scaled = (stampede.VectorEnv("go2-flat", num_envs=3, actions=kind) for kind in ("task", "network"))
    centre, scale = numpy.float32(plain._task.action_centre), numpy.float32(plain._task.action_scale)
    actions = numpy.random.default_rng(1).normal(size=(3, 12)).astype(numpy.float32)
    for env, given in ((plain, centre + scale * actions), (scaled, actions)):
        env.reset()
        env.step(given)
    numpy.testing.assert_allclose(plain._open.observations("policy"), scaled._open.observations("policy"), atol=1e-4)
    low = scaled.single_action_space.low * scale + centre
    numpy.testing.assert_allclose(low, plain.single_action_space.low, rtol=1e-5)


def test_gymnasiums_wrappers():
    env = gymnasium.make_vec("stampede/pendulum", num_envs=3)
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(env)
    env = gymnasium.wrappers.vector.RescaleAction(env, -1, 1)
    env.reset(seed=1)
    total = numpy.zeros(3)
    for _ in range(200):
        _, rewards, _, truncations, info = env.step(env.action_space.sample())
        total += rewards
    assert truncations.all()
    numpy.testing.assert_allclose(info["episode"]["r"], total, rtol=1e-5)
    listed = gymnasium.wrappers.vector.DictInfoToList(stampede.VectorEnv("go2-flat", num_envs=2))
    _, info = listed.reset()
    assert len(info) == 2
    info = listed.step(listed.action_space.sample())[-1]
    assert set(info[0]["violations"]) == set(listed.unwrapped.constraint_names)


def test_a_policy_acts_as_onnxruntime_says():
    policy = stampede.load(POLICY)
    session = onnxruntime.InferenceSession(str(POLICY))
    env = stampede.VectorEnv("go2-flat", num_envs=6)
    observations, _ = env.reset()
    for _ in range(50):
        actions = policy.act(observations)
        numpy.testing.assert_allclose(actions, session.run(None, {"obs": observations})[0], atol=1e-5)
        observations, *_ = env.step(actions)
    assert policy.act(observations[0]).shape == (12,)
    assert policy.observation_names == env.observation_names and policy.action_names == env.action_names
    assert (policy.task, policy.robot) == ("go2-flat", "go2")
    assert env.counts["nonfinite"] == 0
    assert line_of(lambda: policy.act(observations[:, :-1])).endswith("its last axis must be 45 long")


def test_what_is_refused():
    env = stampede.VectorEnv("go2-flat", num_envs=2)
    env.reset()
    seen = env._open.observations("policy").copy()
    wanted = "float32 [2, 12], environments and actions, would be right"
    assert line_of(lambda: env.step(numpy.zeros((2, 11)))) == f"actions: an array of shape [2, 11] is given; {wanted}"
    assert line_of(lambda: env.step(numpy.zeros((2, 12), "U1"))).startswith("actions: an array of type <U1 is given")
    bad = numpy.zeros((2, 12))
    bad[1, 3] = numpy.nan
    assert line_of(lambda: env.step(bad)) == "actions[1, 3] is nan; a finite number would be right"
    numpy.testing.assert_array_equal(seen, env._open.observations("policy"))
    assert "reset_mask" in line_of(lambda: env.reset(options={"reset_mask": numpy.ones(2, bool)}))
    assert "did you mean 'go2-flat'" in line_of(lambda: stampede.VectorEnv("go2-flatt"))
    assert "train.num_env" in line_of(lambda: stampede.VectorEnv("pendulum", set={"train.num_env": 3}))
    assert "render_mode" in line_of(lambda: stampede.VectorEnv("pendulum", render_mode="human"))
    assert "num_envs 0" in line_of(lambda: stampede.VectorEnv("pendulum", num_envs=0))
    env.close()
    assert line_of(lambda: env.step(bad), stampede.Error) == "the environment is closed; make a new one"
    single = stampede.Env("pendulum")
    single.reset(seed=1)
    while not single.step([0.0])[3]:
        pass
    assert "reset()" in line_of(lambda: single.step([0.0]), stampede.Error)


def test_robots_are_told_pushed_and_read():
    commands = numpy.float32([[0.5, 0, 0], [0, -0.4, 0.3]])
    env = stampede.VectorEnv("go2-flat", 2, commands=commands, set={"randomise.push_velocity": 0})
    env.reset()
    told = [env.observation_names.index(f"command.{axis}") for axis in "xyz"]
    observations, *_ = env.step(numpy.tile(numpy.float32(env._task.action_centre), (2, 1)))
    assert numpy.array_equal(observations[:, told], commands) and numpy.array_equal(env.commands, commands)
    env.commands = -commands
    observations, *_ = env.step(numpy.tile(numpy.float32(env._task.action_centre), (2, 1)))
    assert numpy.array_equal(observations[:, told], -commands)
    assert env.qpos.shape == (2, 19) and env.qvel.shape == (2, 18)
    assert numpy.allclose(numpy.linalg.norm(env.qpos[:, 3:7], axis=1), 1, atol=1e-5)
    before = numpy.array(env.qvel)
    env.push(1, 0.7, -0.6)
    after = numpy.array(env.qvel)
    assert numpy.allclose(after[1, :2], (0.7, -0.6)) and numpy.array_equal(after[0], before[0])
    assert numpy.array_equal(after[1, 2:], before[1, 2:])
    names = [name for name, *_ in env.judged(0)]
    assert names == env.constraint_names
    with pytest.raises(stampede.InputError, match=r"shape \[2\] is given; float32 \[2, 3\]"):
        env.commands = [1, 2]
    with pytest.raises(stampede.InputError, match="environment 2 is out of range"):
        env.push(2, 0, 0)
    with pytest.raises(stampede.InputError, match="draw theirs"):
        stampede.VectorEnv("go2-flat", 1).commands = [[0, 0, 0]]
    with pytest.raises(stampede.InputError, match="no robot walks"):
        stampede.VectorEnv("pendulum", 1, commands=[[0, 0, 0]])
