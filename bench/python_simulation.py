"""How fast stampede.Simulation steps from Python beside `stampede bench physics`, measured in turn on the same scene.

    PYTHONPATH=build/release/python python bench/python_simulation.py build/release/stampede

The scene is the program's `standing`: joints off by up to 0.05, targets that move by up to 0.1, five times a second.
Every call takes 4 steps of 5 ms with controls that were just written. Prints a line for each round and the medians.
"""

import json
import statistics
import subprocess
import sys
import time

import numpy
import stampede

ENVS, STEPS, CALLS, ROUNDS = 4096, 4, 25, 7


def from_python(threads):
    """Steps a second, and contacts a step."""
    random = numpy.random.default_rng(1)
    sim = stampede.Simulation("go2", num_envs=ENVS, timestep=0.005, device="cpu", threads=threads)
    sim.qpos[:, 7:] += random.uniform(-0.05, 0.05, (ENVS, sim.nu))
    targets = random.uniform(-0.1, 0.1, (1 + CALLS, ENVS, sim.nu)).astype(numpy.float32) + sim.home_ctrl
    sim.step(200)  # until all stand
    before, started = sim.counts, time.perf_counter()
    for call in range(CALLS):
        sim.ctrl[:] = targets[call // 10]
        sim.step(STEPS)
    seconds, after = time.perf_counter() - started, sim.counts
    steps = after["steps"] - before["steps"]
    return steps / seconds, (after["contacts"] - before["contacts"]) / steps


def from_program(program, threads):
    command = [program, "bench", "physics", "--robot", "go2", "--dt", "0.005", "--scene", "standing",
               "--num-envs", str(ENVS), "--device", "cpu", "--threads", str(threads), "--json"]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return said["steps_per_second"], said["contacts_mean"]


def main():
    program = sys.argv[1]
    for threads in (1, 2):
        rounds = []
        for _ in range(ROUNDS):
            ours, theirs = from_python(threads), from_program(program, threads)
            rounds.append((ours[0], theirs[0], ours[0] / theirs[0]))
            print(f"{threads} threads: {ours[0] / 1e6:.3f} M steps/s with {ours[1]:.2f} contacts from Python, "
                  f"{theirs[0] / 1e6:.3f} with {theirs[1]:.2f} by the program: {100 * rounds[-1][2]:.1f} %")
        ours, theirs, share = (statistics.median(column) for column in zip(*rounds))
        print(f"{threads} threads, medians: {ours / 1e6:.3f} and {theirs / 1e6:.3f} M steps/s, "
              f"share {100 * share:.1f} %")


if __name__ == "__main__":
    main()
