"""A training iteration of go2-flat on an H100, from its launches."""

import dataclasses
import json
import math
import re

import cuda_code

# What is not computed here but assumed, and from where. A node of a recorded graph, with what begins and ends it: 1.3 to
# 2.5 us in public measurements (NVIDIA's developer blog on CUDA graphs); host/app/session/sooner_on_cpu.cpp takes as much.
LAUNCH = 2e-6  # [s]
# Of the peak that the machine's FP32 lanes and clock give, what dense products of a rollout reach: a usual share.
FP32_SHARE = 0.7
# The minibatch kernel (cuda/fused_minibatch.cu), whose loops' instructions and accesses to shared memory are counted below.
# Of what the scarcer of the two allows: the loops' addresses are 5 to 14 % more instructions (in nvcc's code for sm_90), and two
# warps a scheduler do not hide all of what they wait for.
LOOP_SHARE = 0.8
# Steps in which 16 or 8 bytes a lane pass through shared memory: pairs of lanes share an address there, and halve them by
# public microbenchmarks of Volta and later.
PAIRED, UNPAIRED = (2, 1), (4, 2)
# Cycles. From a barrier until a pass is under way; a load from the L2 cache, of which some follow from each other: of the
# gather two, of the loss two, with arithmetic by few threads besides. From this model's latencies, rounded up.
PASS, L2_LOAD, LOSS = 120, 300, 1200
L2_BANDWIDTH = 5.5e12  # [bytes/s] as public microbenchmarks of the H100 have it
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


def asserted_launches(networks=", whose networks are small", settings="as_it_is"):
    """Kernels and products of an iteration with eight minibatches, as the emulated device counts them in its test: what the test
    says of the networks, and where it has the settings."""
    path = cuda_code.ROOT / "tests/emulator/training_test.cpp"
    found = re.search(rf'\{{"{TASK}{networks}", resolve_settings\({settings}\), (\d+), (\d+)\}}', path.read_text())
    if not found:
        cuda_code.fail(f"{path} does not say how many launches an iteration of {TASK}{networks} takes; AnIterationTakesSoManyLaunches did")
    return int(found[1]), int(found[2])


def layers(sizes):
    return list(zip(sizes, sizes[1:], strict=False))


def quads(number):
    return -(-number // 4) * 4


def tile_cycles(machine, network, steps=PAIRED):
    """Cycles in which a block of the minibatch kernel learns from a tile of 64 samples: FusedNetwork's sizes, and the same
    choice of how many numbers a thread has as `forward`, `add_gradient` and `backward` there."""
    wide, half, single = (machine.busy_memory * count for count in (*steps, 1))

    def passed(items, times, products, loads, busy, after=0):
        """A pass of so many pieces of work, a warp each: `times` an iteration of a loop with so many products and loads."""
        return -(-items // 8) * 2 * (times * max(products + loads, busy) / LOOP_SHARE + after) + PASS

    cycles = 2 * L2_LOAD + LOSS + PASS
    for i, (inputs, outputs) in enumerate(network):
        rows, columns = quads(inputs), quads(outputs)
        # Forward: an iteration is an input, for so many quads of outputs and so many samples.
        quad, own, across, busy = ((2, 4, 2, 3 * wide) if columns >= 128 else (1, 4, 2, 2 * wide) if columns >= 64 else
                                   (1, 2, 4, half + wide) if columns >= 32 else (1, 1, 8, single + wide))
        cycles += passed(across * math.ceil(columns / (16 * quad)), rows, 4 * quad * own, quad + 1, busy)
        # The weights' gradient: four samples, for so many inputs and outputs; then that is added to what is there.
        few = math.ceil(rows / 24) <= math.ceil(rows / 32)
        taken, given = (6 if few else 8, 4) if rows * columns >= 4096 else (4, 2) if rows * columns >= 1024 else (2, 1)
        cycles += passed(math.ceil(rows / (4 * taken)) * math.ceil(columns / (8 * given)), 16, 4 * taken * given,
                         taken + given, (taken + given) * wide, 2 * single * taken * given)
        cycles += columns / 64 * 4 * (wide + 2 * machine.shuffle)  # the bias's
        if i > 0:  # The inputs' gradient: four outputs, for so many inputs and four samples.
            taken = 8 if rows >= 128 else 4 if rows >= 64 else 2 if rows >= 32 else 1
            cycles += passed(2 * math.ceil(rows / (4 * taken)), columns // 4, 16 * taken, taken + 4, (taken + 4) * wide)
    return cycles


def minibatch_seconds(machine, networks, samples, steps=PAIRED):
    """The minibatch kernel, where each network has half of the multiprocessors, and the kernel that adds what its blocks left."""
    tiles = -(-samples // 64)
    each = -(-tiles // (machine.processors // 2))
    blocks = -(-tiles // each)
    learnt = each * max(tile_cycles(machine, network, steps) for network in networks) / machine.clock
    # Each block reads its network's parameters and writes as many numbers, which are read once more.
    moved = 3 * blocks * sum(4 * outputs * (inputs + 1) for network in networks for inputs, outputs in network)
    return learnt + moved / L2_BANDWIDTH


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


def iteration(machine, chosen, robots, launch_seconds, shared_steps=PAIRED):
    """An iteration with so many robots, whose physics takes so long a launch."""
    actor = layers([OBSERVATIONS, *chosen.actor, ACTIONS])
    critic = layers([CRITIC_OBSERVATIONS, *chosen.critic, 1])
    fp32 = machine.processors * machine.schedulers * 32 * 2 * machine.clock * FP32_SHARE
    steps = robots * chosen.horizon

    def forward(network):
        return sum(2 * inputs * outputs for inputs, outputs in network)

    kernels, dense = asserted_launches()
    if dense > 0:
        cuda_code.fail("an iteration has products by cuBLASLt, which this model does not have the time of")
    return Iteration(
        launches=LAUNCH * (kernels + dense),
        physics=chosen.horizon * launch_seconds * FETCH_AND_TAIL,
        # Beside the observation of each step the critic is given the one behind the last step, and a row of the last
        # observations of episodes that ended (host/learn/collector.hpp).
        networks=steps * (forward(actor) + (chosen.horizon + 2) / chosen.horizon * forward(critic)) / fp32,
        update=chosen.epochs * MINIBATCHES * minibatch_seconds(machine, (actor, critic), steps // MINIBATCHES, shared_steps),
    )
