"""The tasks as environments of CleanRL's scripts: ``envs = stampede.cleanrl.VectorEnv("go2-flat", 1024)``."""

import gymnasium
import numpy
from gymnasium.wrappers.utils import RunningMeanStd

from ._core import InputError
from ._gymnasium import VectorEnv as _VectorEnv

_EPSILON = 1e-8  # added to variances, as Gymnasium's wrappers do


class VectorEnv(gymnasium.vector.VectorWrapper):
    """A ``stampede.VectorEnv`` as CleanRL's ppo_continuous_action.py makes its environments of single ones.

    Actions are what the network gives, scaled as the task scales them. Observations are (observation - mean) /
    deviation of all that was seen so far, rewards are divided by the deviation of the discounted return (`gamma`: the
    script's), and both are limited to +-10. ``info["final_info"]["episode"]`` has the return as the task gives it and
    the length of each episode that ended, "r" and "l" where ``info["final_info"]["_episode"]`` is true. Episodes begin
    at random ages, so that they do not all time out together; those first ones are not told.

    update_running_mean: whether what is seen changes the statistics; False to judge a policy. Other arguments: those of
    ``stampede.VectorEnv``; errors: its InputErrors.
    """

    limit = 10.0  #: of observations and rewards, once normalised

    def __init__(self, task=None, num_envs=1, *, gamma=0.99, **arguments):
        if not 0 <= gamma <= 1:
            raise InputError(f"gamma: {gamma} is out of range; a number from 0 to 1 would be right")
        super().__init__(_VectorEnv(task, num_envs, actions="network", **{"random_initial_phase": True, **arguments}))
        self.gamma = gamma
        self.update_running_mean = True
        self.seen = RunningMeanStd(shape=self.single_observation_space.shape)  #: observations
        self.returns = RunningMeanStd()  #: discounted, of rewards as the task gives them
        self._begin()

    def _begin(self):
        self._discounted = numpy.zeros(self.num_envs)
        self._sums = numpy.zeros(self.num_envs)
        self._lengths = numpy.zeros(self.num_envs, int)
        self._whole = numpy.full(self.num_envs, not self.env.random_initial_phase)

    def _normalised(self, observations):
        scaled = (observations - self.seen.mean) / numpy.sqrt(self.seen.var + _EPSILON)
        return numpy.clip(scaled, -self.limit, self.limit).astype(numpy.float32)

    def _observed(self, observations):
        if self.update_running_mean:
            self.seen.update(observations)
        return self._normalised(observations)

    def reset(self, *, seed=None, options=None):
        """As of ``stampede.VectorEnv``; what was learned of means and deviations stays."""
        observations, info = self.env.reset(seed=seed, options=options)
        self._begin()
        return self._observed(observations), info

    def step(self, actions):
        """As of ``stampede.VectorEnv``, normalised."""
        observations, rewards, terminations, truncations, info = self.env.step(actions)
        observations = self._observed(observations)
        over = terminations | truncations
        self._sums += rewards
        self._lengths += 1
        self._discounted = self._discounted * self.gamma + rewards
        if self.update_running_mean:
            self.returns.update(self._discounted)
        if over.any():
            told = over & self._whole
            if told.any():
                info["final_info"] = {"episode": {"r": numpy.where(told, self._sums, 0),
                                                  "l": numpy.where(told, self._lengths, 0)}, "_episode": told}
                info["_final_info"] = told
            if "final_obs" in info:
                last = self._normalised(info["final_obs"])
                info["final_obs"] = numpy.where(over[:, None], last, numpy.float32(0))
            self._sums[over] = self._discounted[over] = 0
            self._lengths[over] = 0
            self._whole |= over
        scaled = numpy.clip(rewards / numpy.sqrt(self.returns.var + _EPSILON), -self.limit, self.limit)
        return observations, scaled.astype(numpy.float32), terminations, truncations, info

    def save_policy(self, path, network):
        """Writes the actor, such as ``agent.actor_mean``, and the normalisation as ``VectorEnv.save_policy`` does."""
        self.env.save_policy(path, network, mean=self.seen.mean, deviation=numpy.sqrt(self.seen.var + _EPSILON),
                             clip=self.limit)
