"""The tasks as environments of rsl_rl (PyPI: rsl-rl-lib 5, which brings PyTorch): ``from stampede.rsl_rl import VecEnv``."""

import rsl_rl.env
import torch
from tensordict import TensorDict

from ._core import InputError
from ._gymnasium import VectorEnv


class VecEnv(rsl_rl.env.VecEnv):
    """A ``stampede.VectorEnv`` as rsl_rl's runners take it.

    Observations are the groups "policy" and, where the task has privileged ones, "critic"; actions are what the network
    gives, scaled as the task scales them. ``extras["log"]`` holds the share of environments that violate each
    constraint. Episodes begin at random ages, as `init_at_random_ep_len` would have it, which is refused. The tensors
    are the CPU's: a runner on a GPU copies them. Arguments: those of ``VectorEnv``; errors: its InputErrors.
    """

    def __init__(self, task=None, num_envs=1, **arguments):
        self.env = VectorEnv(task, num_envs, actions="network", copy=False,
                             **{"random_initial_phase": True, **arguments})
        self.num_envs = num_envs
        self.num_actions = self.env.single_action_space.shape[0]
        self.max_episode_length = self.env.max_steps
        self.device = "cpu"
        self.cfg = {"task": self.env.task, "settings": self.env.settings}
        self._steps = torch.zeros(num_envs, dtype=torch.long)
        self._observations = self._grouped(*self.env.reset())

    @property
    def episode_length_buf(self):
        """[num_envs] control steps since this object saw each episode begin."""
        return self._steps

    @episode_length_buf.setter
    def episode_length_buf(self, _):
        raise InputError("episode_length_buf: the engine keeps the ages of episodes, and begins them at random ones; "
                         "runner.learn(..., init_at_random_ep_len=False) would be right")

    def get_observations(self):
        return self._observations

    def step(self, actions):
        observations, rewards, ended, timed_out, info = self.env.step(actions.cpu().numpy())
        self._observations = self._grouped(observations, info)
        ended, timed_out = torch.from_numpy(ended), torch.from_numpy(timed_out)
        done = ended | timed_out
        self._steps = torch.where(done, 0, self._steps + 1)
        violated = {f"/violated/{name}": float((by > 0).mean()) for name, by in info.get("violations", {}).items()}
        return (self._observations, torch.from_numpy(rewards).clone().float(), done.long(),
                {"time_outs": timed_out, "log": violated})

    def save_policy(self, path, policy):
        """Writes ``runner.get_inference_policy()`` as a policy's file, as ``VectorEnv.save_policy`` does.

        Raises InputError for another model than an MLPModel with a GaussianDistribution that sees the group "policy".
        """
        # Here, so that a release that has them elsewhere still trains.
        from rsl_rl.models import MLPModel
        from rsl_rl.modules import EmpiricalNormalization
        from rsl_rl.modules.distribution import GaussianDistribution, HeteroscedasticGaussianDistribution

        distribution = getattr(policy, "distribution", None)
        known = type(policy) is MLPModel and policy.obs_groups == ["policy"] and (
            isinstance(distribution, GaussianDistribution) and
            not isinstance(distribution, HeteroscedasticGaussianDistribution))
        if not known:
            raise InputError(f"save_policy: a {type(policy).__name__} is given that cannot be written; an MLPModel with a "
                             "GaussianDistribution that sees the group 'policy' would be right")
        normaliser = policy.obs_normalizer
        normalised = isinstance(normaliser, EmpiricalNormalization)
        self.env.save_policy(path, policy.mlp, mean=normaliser.mean if normalised else None,
                             deviation=normaliser.std + normaliser.eps if normalised else None)

    def close(self):
        self.env.close()

    def _grouped(self, observations, info):
        # The engine's arrays are overwritten by the next step; a runner keeps what it saw.
        groups = {"policy": torch.from_numpy(observations).clone()}
        if "critic" in info:
            groups["critic"] = torch.from_numpy(info["critic"]).clone()
        return TensorDict(groups, batch_size=[self.num_envs])
