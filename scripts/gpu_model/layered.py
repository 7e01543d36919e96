"""A training iteration of go2-flat on an H100 with networks that are learned layer by layer, by cuBLASLt and kernels between."""

import collections
import dataclasses
import functools
import itertools

from gpu_model import training
from gpu_model.training import ACTIONS, CRITIC_OBSERVATIONS, L2_BANDWIDTH, LAUNCH, MINIBATCHES, OBSERVATIONS, quads

HIDDEN = [512, 256, 128]
# What is not computed here but assumed, and from where.
# Operations that a multiprocessor's tensor cores do in a cycle, without sparsity: NVIDIA's H100 white paper, whose 989 and 495
# TFLOP/s are those of 132 multiprocessors at 1.83 GHz.
TENSOR = {"tf32": 2048, "bf16": 4096}
# Of the peak, while a block is at work: a judgement. Inner dimensions of 45 to 512 leave tensor cores little time to get going.
TENSOR_SHARE = 0.45
# Rows or columns of the result that a block computes; the inner dimension goes in steps, and has so many in a part at least.
TILES, STEP, LEAST_PART = (128, 64), 32, 16
# Bytes that kernels may touch until what was there before is no longer in the L2 cache, which has 50 MiB: a judgement, for
# the cache is made of two halves that keep copies of each other's lines.
L2_KEPT = 30e6
# Of the memory's bandwidth, what kernels reach that only stream: a usual share.
MEMORY_SHARE = 0.9
FLOAT, NARROW = 4, 2  # bytes of a number
LANES = 16  # that numbers of rows are padded to
COUNTED = 16  # environments of the iteration that the emulated device counts


def asserted_launches(precision):
    """As training.asserted_launches has them, of networks with as many layers as this file's, which are not learned at once either."""
    bf16 = precision == "bf16"
    return training.asserted_launches(" with three large layers" + " in BF16" * bf16, "in_bf16" if bf16 else "large")


def product_seconds(machine, precision, m, n, k):
    """Of m x k and k x n, by what blocks have to do one after the other, with the tile that is done soonest. A long inner
    dimension is split as far as there are multiprocessors without work."""
    cycle = machine.schedulers * 32 * 2 * training.FP32_SHARE if precision == "fp32" else TENSOR[precision] * TENSOR_SHARE

    def operations(rows, columns):
        blocks, parts, steps = -(-m // rows) * -(-n // columns), 1, -(-k // STEP)
        if k >= 4 * max(m, n):  # as cuda/product.cu asks
            parts = max(1, min(machine.processors // blocks, steps // LEAST_PART))
        return -(-blocks * parts // machine.processors) * 2 * rows * columns * -(-steps // parts) * STEP

    return min(itertools.starmap(operations, itertools.product(TILES, TILES))) / (cycle * machine.clock)


@dataclasses.dataclass
class Kernel:
    """Arrays that it reads and writes, with their bytes, and seconds of arithmetic."""

    reads: dict
    writes: dict
    seconds: float = 0


def seconds(machine, kernels):
    """Of kernels that are run again and again, beside their launches: of each one the longest of its arithmetic, its way
    through the L2 cache, and its way to and from memory. What an array holds comes from the cache if few enough bytes were
    touched since it was touched last; what is written goes to memory unless it is touched again soon enough."""
    touches = [(i, name, size, write) for i, kernel in enumerate(kernels)
               for write, arrays in enumerate((kernel.reads, kernel.writes)) for name, size in arrays.items()]
    total = sum(touch[2] for touch in touches)
    ends = list(itertools.accumulate(touch[2] for touch in touches))
    of_array = collections.defaultdict(list)
    for at, touch in enumerate(touches):
        of_array[touch[1]].append(at)

    def between(first, then):
        """Bytes touched from one touch's end to the other's beginning, which may be the next time around."""
        bytes_between = ends[then] - touches[then][2] - ends[first]
        return bytes_between if then > first else bytes_between + total

    from_memory, through_cache = [0] * len(kernels), [0] * len(kernels)
    for places in of_array.values():
        for i, at in enumerate(places):
            kernel, _, size, write = touches[at]
            through_cache[kernel] += size
            other = places[(i + 1) % len(places)] if write else places[i - 1]
            distance = between(at, other) if write else between(other, at)
            if size + distance > L2_KEPT:
                from_memory[kernel] += size
    return sum(max(kernel.seconds, cached / L2_BANDWIDTH, moved / (machine.memory * MEMORY_SHARE))
               for kernel, cached, moved in zip(kernels, through_cache, from_memory, strict=True))


@dataclasses.dataclass
class Network:
    """What a network's kernels do to `rows` samples."""

    machine: object
    name: str
    layers: list
    precision: str
    rows: int

    def __post_init__(self):
        self.wide = NARROW if self.precision == "bf16" else FLOAT
        self.product = functools.partial(product_seconds, self.machine, self.precision)

    def array(self, label, numbers, size=None):
        return {f"{self.name}.{label}": numbers * (size or self.wide)}

    def weights(self, i, label="weights", size=None):
        inputs, outputs = self.layers[i]
        return self.array(f"{label}{i}", inputs * quads(outputs), size)

    def outputs(self, i):
        """Layer i's; those before the first are the inputs."""
        if i < 0:
            return self.array("inputs", self.rows * quads(self.layers[0][0]))
        last = i + 1 == len(self.layers)
        return self.array(f"outputs{i}", self.rows * quads(self.layers[i][1]), FLOAT if last else None)

    def delta(self, i, size=None):
        return self.array(f"delta{i % 2}", self.rows * quads(self.layers[i][1]), size)

    def forward(self):
        """Gather and normalise, then for each layer the product and, unless it is the last, the activation."""
        inputs = self.layers[0][0]
        kernels = [Kernel(self.array("observations", self.rows * inputs, FLOAT), self.array("gathered", self.rows * quads(inputs), FLOAT))]
        if self.precision == "bf16":
            masters = {key: size for i in range(len(self.layers)) for key, size in self.weights(i, "masters", FLOAT).items()}
            copies = {key: size for i in range(len(self.layers)) for key, size in self.weights(i).items()}
            kernels.append(Kernel(masters | kernels[0].writes, copies | self.outputs(-1)))
        else:
            kernels[0].writes = self.outputs(-1)
        for i, (inputs, outputs) in enumerate(self.layers):
            kernels.append(Kernel(self.weights(i) | self.outputs(i - 1), self.outputs(i), self.product(outputs, self.rows, inputs)))
            if i + 1 < len(self.layers):
                kernels.append(Kernel(self.outputs(i), self.outputs(i)))
        return kernels

    def backward(self):
        """From the last layer: slopes and biases, the weights' gradient and, but for the first, the inputs' gradient."""
        kernels, last = [], len(self.layers) - 1
        for i in range(last, -1, -1):
            inputs, outputs = self.layers[i]
            if i == last:
                loss = self.array("loss", self.rows * quads(outputs), FLOAT)
                kernels.append(Kernel(loss, self.delta(i)))
            else:
                kernels.append(Kernel(self.delta(i) | self.outputs(i), self.delta(i)))
            kernels.append(Kernel(self.delta(i) | self.outputs(i - 1), self.weights(i, "gradient", FLOAT),
                                  self.product(outputs, inputs, self.rows)))
            if i > 0:
                kernels.append(Kernel(self.weights(i) | self.delta(i), self.delta(i - 1), self.product(inputs, self.rows, outputs)))
        return kernels

    def optimiser(self):
        """Adam: the gradient's norm, then parameters and two moments, read and written."""
        parameters = sum(inputs * quads(outputs) for inputs, outputs in self.layers) * FLOAT
        state = {f"{self.name}.{label}": parameters for label in ("masters", "moment1", "moment2")}
        return [Kernel({f"{self.name}.gradient": parameters}, {}), Kernel({f"{self.name}.gradient": parameters} | state, state)]

    def loss(self):
        """Outputs are read, and their gradients written; what else a loss reads is less."""
        return Kernel(self.outputs(len(self.layers) - 1), self.array("loss", self.rows * quads(self.layers[-1][1]), FLOAT))


def networks(machine, precision, rows):
    return [Network(machine, name, training.layers(sizes), precision, rows)
            for name, sizes in (("actor", [OBSERVATIONS, *HIDDEN, ACTIONS]), ("critic", [CRITIC_OBSERVATIONS, *HIDDEN, 1]))]


def minibatch_seconds(machine, precision, samples):
    both = networks(machine, precision, samples)
    order = (Network.forward, lambda network: [network.loss()], Network.backward, Network.optimiser)
    return seconds(machine, [kernel for step in order for network in both for kernel in step(network)])


def critic_passes(chosen, robots):
    """In which the critic sees a rollout: all steps, by as many rows as there is room for (Algorithm's constructor and
    Minibatches::most_samples in host/learn), then what followed the ends of episodes."""
    stride = -(-robots // LANES) * LANES
    room = -(-max(stride, robots * chosen.horizon // MINIBATCHES + chosen.horizon) // LANES) * LANES
    return -(-(chosen.horizon + 1) * stride // room) + 1


def iteration(machine, chosen, precision, robots, launch_seconds):
    """As training.iteration, with HIDDEN units in the layers of both networks."""
    steps = robots * chosen.horizon
    samples = steps // MINIBATCHES
    kernels, products = asserted_launches(precision)
    # Parts of weights' gradients are added by a kernel of their own, which the emulated device does not have.
    adding = chosen.epochs * MINIBATCHES * 2 * (len(HIDDEN) + 1)
    # Normalisation, products, activations, and a kernel that stores the values.
    more_passes = (critic_passes(chosen, robots) - critic_passes(chosen, COUNTED)) * (2 * len(HIDDEN) + 3)
    of_rollout = "tf32" if precision == "bf16" else precision  # cuda/mlp.cuh
    actor, _ = networks(machine, of_rollout, robots)
    _, critic = networks(machine, of_rollout, samples)
    passes = (chosen.horizon + 2) / chosen.horizon * MINIBATCHES  # of the critic, as training.iteration has them
    return training.Iteration(
        launches=LAUNCH * (kernels + products + adding + more_passes),
        physics=chosen.horizon * launch_seconds * training.FETCH_AND_TAIL,
        networks=chosen.horizon * seconds(machine, actor.forward()) + passes * seconds(machine, critic.forward()),
        update=chosen.epochs * MINIBATCHES * minibatch_seconds(machine, precision, samples),
    )
