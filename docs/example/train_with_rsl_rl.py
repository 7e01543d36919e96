"""Trains one of stampede's tasks with rsl_rl's PPO, and drives the robots with what it learned.

    python docs/example/train_with_rsl_rl.py TASK [ITERATIONS] [--num-envs N] [--seed S] [--objective shaped]

Needs `pip install rsl-rl-lib`. The numbers are those that legged_gym and Isaac Lab train legged robots with. On walking
tasks, where its PPO knows no constraints as terminations, `--objective shaped` rewards as those two do.
"""

import argparse
import json
import time

import torch
from rsl_rl.runners import OnPolicyRunner

from stampede.rsl_rl import VecEnv


def configuration(env, seed):
    critic = "critic" if "critic" in env.get_observations().keys() else "policy"
    network = {"class_name": "MLPModel", "hidden_dims": [128, 64, 32], "activation": "elu", "obs_normalization": True}
    noise = {"class_name": "GaussianDistribution", "init_std": 1.0}
    return {
        "seed": seed,
        "num_steps_per_env": 24,
        "save_interval": 1000,
        "obs_groups": {"actor": ["policy"], "critic": [critic]},
        "actor": {**network, "distribution_cfg": noise},
        "critic": network,
        "algorithm": {
            "class_name": "PPO", "num_learning_epochs": 5, "num_mini_batches": 4, "clip_param": 0.2, "gamma": 0.99,
            "lam": 0.95, "value_loss_coef": 1.0, "entropy_coef": 0.01, "learning_rate": 1e-3, "schedule": "adaptive",
            "desired_kl": 0.01, "max_grad_norm": 1.0, "use_clipped_value_loss": True,
        },
    }


def mean_return(env, policy):
    """Of each environment's first whole episode, without exploration."""
    total = torch.zeros(env.num_envs)
    first, whole = torch.zeros(env.num_envs), torch.zeros(env.num_envs, dtype=torch.bool)
    ended = torch.zeros(env.num_envs, dtype=torch.long)
    observations = env.get_observations()
    with torch.inference_mode():
        while not whole.all():
            observations, rewards, dones, _ = env.step(policy(observations))
            total += rewards
            ended += dones
            done = dones.bool()
            first = torch.where(done & (ended == 2), total, first)  # the episode before began at a random age
            whole |= ended >= 2
            total[done] = 0
    return first.mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("iterations", type=int, nargs="?", default=300)
    parser.add_argument("--num-envs", type=int, default=2048)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--objective")
    given = parser.parse_args()
    torch.manual_seed(given.seed)

    settings = {"objective": given.objective} if given.objective else {}
    env = VecEnv(given.task, given.num_envs, seed=given.seed, set=settings)
    runner = OnPolicyRunner(env, configuration(env, given.seed), log_dir=None)
    untrained = mean_return(env, runner.get_inference_policy())
    start = time.perf_counter()
    runner.learn(given.iterations)
    seconds = time.perf_counter() - start
    print(json.dumps({
        "task": given.task,
        "steps": given.iterations * 24 * given.num_envs,
        "seconds": round(seconds, 1),
        "return_untrained": round(untrained, 2),
        "return_trained": round(mean_return(env, runner.get_inference_policy()), 2),
    }))


if __name__ == "__main__":
    main()
