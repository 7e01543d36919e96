"""How long warps take: their instructions, issued in order on a model of one of an SM's four sub-partitions.

A sub-partition issues one instruction a cycle, of the warp that issued last if that can go on, else of the one that can
first. A warp's next instruction waits for the cycles that the compiler encoded, for the barriers that it names, and for
its unit. What is not modelled: instruction fetch, misses of the L1 cache, the order of different blocks.
"""

import collections
import dataclasses


@dataclasses.dataclass(frozen=True)
class Machine:
    """An H100 SXM. Counts and widths: NVIDIA's H100 white paper and CUDA C++ programming guide; latencies: public
    microbenchmarks of Hopper and Ampere (Luo et al. 2024, arXiv 2402.13499; Abdelkhalik et al. 2022, arXiv 2208.11174),
    rounded. None was measured here."""

    processors: int = 132
    schedulers: int = 4
    # [Hz] An assumption of what the card sustains under load, below its highest boost of 1.98 GHz.
    clock: float = 1.755e9
    memory: float = 3.35e12  # [bytes/s]
    # Cycles that a warp's 32 lanes keep a unit busy: 16 lanes a cycle of integers, comparisons and selections, 4 of special
    # functions; L1 cache, shared memory and exchanges 128 bytes a cycle for all four sub-partitions. FP32: 32 lanes.
    busy_alu: int = 2
    busy_multiply: int = 2
    busy_special: int = 8
    busy_memory: int = 4
    # Cycles until a result is there.
    local: int = 38
    shared: int = 30
    shuffle: int = 24
    special: int = 22
    constant: int = 30
    world: int = 38  # global memory, in the L1 cache
    stored: int = 12  # until a store has read its operands
    other: int = 14
    branch: int = 8  # after a branch that is taken


def timing(machine, instruction):
    """Unit, cycles that keep it busy, cycles to the result and until the operands are read."""
    base, width = instruction.base, instruction.width
    if instruction.unit == "memory":
        latency = {"LDL": machine.local, "LDS": machine.shared, "SHFL": machine.shuffle, "LDC": machine.constant}.get(base, machine.world)
        if base == "LDC":
            return "constant", 2, latency, 10
        return "memory", machine.busy_memory * width, latency + 2 * (width - 1), machine.stored
    if instruction.unit == "special":
        return "special", machine.busy_special, machine.special, 10
    if instruction.unit == "uniform":
        return "uniform", 2, machine.constant if base in ("S2R", "ULDC") else machine.other, 10
    if instruction.unit == "multiply":
        return "multiply", machine.busy_multiply, machine.other, 10
    if instruction.unit == "alu":
        return "alu", machine.busy_alu, machine.other, 10
    return instruction.unit, 0, machine.other, 10


@dataclasses.dataclass
class Issued:
    cycles: int = 0
    instructions: int = 0
    # Cycles in which nothing was issued, by what the next instruction waited for.
    waits: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def add(self, other):
        self.cycles += other.cycles
        self.instructions += other.instructions
        self.waits += other.waits


class Timed:
    """A kernel's code with the machine's times."""

    def __init__(self, machine, code):
        self.machine = machine
        self.rows = []
        for instruction in code:
            unit, busy, latency, read = timing(machine, instruction)
            waits = [i for i in range(6) if instruction.waits >> i & 1]
            self.rows.append((unit, busy, latency, read, max(1, instruction.stall), instruction.write_barrier,
                              instruction.read_barrier, waits, instruction.base == "BRA"))

    def issue(self, traces, starts=None):
        """Issues warps, each of which executes the instructions that its trace lists, side by side. The cycles in which
        they are issued are appended to `starts`."""
        rows, bubble = self.rows, self.machine.branch
        place = [0] * len(traces)
        ready = [0] * len(traces)
        why = ["stall"] * len(traces)  # what a warp's `ready` is due to
        barriers = [[0] * 8 for _ in traces]
        free = collections.defaultdict(int)
        order = [warp for warp, trace in enumerate(traces) if trace]
        result = Issued()
        now = 0  # the first cycle in which an instruction can be issued
        while order:
            best, best_time, best_reason = None, 0, ""
            for warp in order:
                row = rows[traces[warp][place[warp]]]
                time, reason = ready[warp], why[warp]
                if free[row[0]] > time:
                    time, reason = free[row[0]], f"{row[0]} unit"
                for barrier in row[7]:
                    if barriers[warp][barrier] > time:
                        time, reason = barriers[warp][barrier], "result"
                if best is None or time < best_time:
                    best, best_time, best_reason = warp, time, reason
                if time <= now:
                    break
            time = max(best_time, now)
            if time > now:
                result.waits[best_reason] += time - now
            if starts is not None:
                starts.append(time)
            trace, at = traces[best], place[best]
            unit, busy, latency, read, stall, write_barrier, read_barrier, _, branch = rows[trace[at]]
            free[unit] = time + busy
            ready[best], why[best] = time + stall, "stall"
            if write_barrier < 6:
                barriers[best][write_barrier] = max(barriers[best][write_barrier], time + latency)
            if read_barrier < 6:
                barriers[best][read_barrier] = max(barriers[best][read_barrier], time + read)
            place[best] = at + 1
            if at + 1 == len(trace):
                order.remove(best)
            else:
                if branch and trace[at + 1] != trace[at] + 1 and stall < bubble:
                    ready[best], why[best] = time + bubble, "branch"
                if order[0] != best:
                    order.remove(best)
                    order.insert(0, best)
            now = time + 1
            result.instructions += 1
        result.cycles = now
        return result
