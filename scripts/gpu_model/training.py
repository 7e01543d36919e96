"""A training iteration of go2-flat on an H100, from its launches."""

import dataclasses
import json
import re

import cuda_code

# What is not computed here but assumed, and from where. A node of a recorded graph, with what begins and ends it: 1.3 to
# 2.5 us in public measurements (NVIDIA's developer blog on CUDA graphs); host/app/session/sooner_on_cpu.cpp takes as much.
LAUNCH = 2e-6  # [s]
# Of the peaks that NVIDIA's data sheet has (FP32 by the machine's lanes and clock, TF32 495 TFLOP/s without sparsity),
# what dense products of this size reach, and of 3.35 TB/s what a copy does: usual shares, none measured here.
TF32, PRODUCTS_SHARE = 495e12, 0.45
FP32_SHARE = 0.7
MEMORY = 3.0e12  # [bytes/s]
FETCH_AND_TAIL = 1.25  # for the physics kernel, whose instruction fetch the model leaves out
# go2-flat's sizes: envs/legged/tasks/legged-flat.toml, [observations]; four legs of three joints.
OBSERVATIONS, CRITIC_OBSERVATIONS, ACTIONS = 45, 58, 12
MINIBATCHES = 8
TASK = "go2-flat"


@dataclasses.dataclass
class Settings:
    horizon: int
    epochs: int
    actor: list
    critic: list
    precision: str


def settings(program):
    """What the task's file says of the training."""
    listed = json.loads(cuda_code.tool(program, "list", "--settings", TASK, "--json"))["settings"]
    values = {setting["key"]: setting["value"] for setting in listed}
    return Settings(int(values["train.horizon"]), int(values["algorithm.epochs"]), json.loads(values["network.actor"]),
                    json.loads(values["network.critic"]), json.loads(values["network.precision"]))


def asserted_launches():
    """Kernels and products of an iteration with eight minibatches, as the emulated device counts them in its test."""
    path = cuda_code.ROOT / "tests/emulator/training_test.cpp"
    found = re.search(rf'\{{"{TASK}, [^"]*", resolve_settings\(as_it_is\), (\d+), (\d+)\}}', path.read_text())
    if not found:
        cuda_code.fail(f"{path} does not say how many launches an iteration of {TASK} takes; AnIterationTakesSoManyLaunches did")
    return int(found[1]), int(found[2])


def layers(sizes):
    return list(zip(sizes, sizes[1:], strict=False))


@dataclasses.dataclass
class Iteration:
    """Seconds by what they are spent on."""

    launches: float
    physics: float
    networks: float  # in the rollout: actor and critic
    update: float

    @property
    def seconds(self):
        return self.launches + self.physics + self.networks + self.update


def iteration(machine, chosen, robots, launch_seconds):
    """An iteration with so many robots, whose physics takes so long a launch."""
    actor = layers([OBSERVATIONS, *chosen.actor, ACTIONS])
    critic = layers([CRITIC_OBSERVATIONS, *chosen.critic, 1])
    fp32 = machine.processors * machine.schedulers * 32 * 2 * machine.clock * FP32_SHARE
    products = TF32 * PRODUCTS_SHARE if chosen.precision == "tf32" else fp32
    steps = robots * chosen.horizon

    def forward(network):
        return sum(2 * inputs * outputs for inputs, outputs in network)

    # As DenseModule::training_flops: forward, the weights' gradient and, but for the first layer, the inputs'.
    learned = sum((6 if i else 4) * inputs * outputs for network in (actor, critic) for i, (inputs, outputs) in enumerate(network))
    # Numbers that go through memory for a sample and epoch. Forward: a product reads inputs and writes outputs, the
    # activation reads and writes these. Backward: slopes are read, read and written, the weights' gradient reads both
    # sides, the inputs' gradient reads one and writes the other.
    moved = 4 * sum(inputs + outputs + 2 * outputs + 3 * outputs + inputs + outputs + (inputs + outputs if i else 0)
                    for network in (actor, critic) for i, (inputs, outputs) in enumerate(network))
    kernels, dense = asserted_launches()
    return Iteration(
        launches=LAUNCH * (kernels + dense),
        physics=chosen.horizon * launch_seconds * FETCH_AND_TAIL,
        # Beside the observation of each step the critic is given the one behind the last step, and a row of the last
        # observations of episodes that ended (host/learn/collector.hpp).
        networks=steps * (forward(actor) + (chosen.horizon + 2) / chosen.horizon * forward(critic)) / fp32,
        update=steps * chosen.epochs * max(learned / products, moved / MEMORY),
    )
