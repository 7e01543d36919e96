"""Trains one of stampede's tasks with rsl_rl's PPO, writes the policy as stampede's, and judges it as stampede judges its own.

    python docs/example/train_with_rsl_rl.py TASK [ITERATIONS] [--num-envs N] [--seed S] [--objective shaped]
        [--out FILE.onnx] [--log FOLDER]

Needs `pip install rsl-rl-lib`. The numbers are those that legged_gym and Isaac Lab train legged robots with. On walking
tasks, where its PPO knows no constraints as terminations, `--objective shaped` rewards as those two do.
"""

import argparse
import json
import time

import stampede
import torch
from rsl_rl.runners import OnPolicyRunner
from stampede.rsl_rl import VecEnv

STEPS = 24  # of each environment, an iteration


def configuration(env, seed):
    critic = "critic" if "critic" in env.get_observations().keys() else "policy"
    network = {"class_name": "MLPModel", "hidden_dims": [128, 64, 32], "activation": "elu", "obs_normalization": True}
    noise = {"class_name": "GaussianDistribution", "init_std": 1.0}
    return {
        "seed": seed,
        "num_steps_per_env": STEPS,
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


class TimedVecEnv(VecEnv):
    seconds = 0.0  # of all processors together, that steps took

    def step(self, actions):
        start = time.process_time()
        result = super().step(actions)
        self.seconds += time.process_time() - start
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task")
    parser.add_argument("iterations", type=int, nargs="?", default=300)
    parser.add_argument("--num-envs", type=int, default=2048)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--objective")
    parser.add_argument("--out", default="policy.onnx", help="the policy's file")
    parser.add_argument("--log", help="folder for rsl_rl's checkpoints and curves (TensorBoard)")
    given = parser.parse_args()
    torch.manual_seed(given.seed)

    settings = {"objective": given.objective} if given.objective else {}
    env = TimedVecEnv(given.task, given.num_envs, seed=given.seed, set=settings)
    runner = OnPolicyRunner(env, configuration(env, given.seed), log_dir=given.log)
    start, start_processor = time.perf_counter(), time.process_time()
    runner.learn(given.iterations)
    seconds, processor_seconds = time.perf_counter() - start, time.process_time() - start_processor
    env.save_policy(given.out, runner.get_inference_policy())
    steps = given.iterations * STEPS * given.num_envs
    print(json.dumps({
        "task": given.task,
        "steps": steps,
        "seconds": round(seconds, 1),
        "processor_seconds": round(processor_seconds, 1),
        "steps_per_second": round(steps / seconds),
        "share_of_simulation": round(env.seconds / processor_seconds, 3),
        "policy": given.out,
        "evaluation": stampede.evaluate(given.out, set=settings),
    }))


if __name__ == "__main__":
    main()
