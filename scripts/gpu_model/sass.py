"""Machine code of compute capability 9.0, as cuobjdump prints it, with what its control bits say about waiting."""

import dataclasses
import functools
import re

import cuda_code

# An instruction takes two lines: address, text and the low word of its encoding, then the high word.
LINE = re.compile(r"^\s+/\*([0-9a-f]{4,6})\*/\s+(.*?)\s*;\s+/\* 0x[0-9a-f]{16} \*/")
HIGH = re.compile(r"^\s+/\* 0x([0-9a-f]{16}) \*/")
SIZE = 16  # bytes of an instruction

# Which unit executes an instruction, by the first part of its name.
FMA = {"FFMA", "FADD", "FMUL", "FSWZADD", "FFMA32I", "FADD32I", "FMUL32I"}
MULTIPLY = {"IMAD", "IMUL"}
SPECIAL = {"MUFU", "F2I", "I2F", "F2F", "FRND", "POPC", "FLO", "BREV"}
MEMORY = {"LDG", "STG", "LDL", "STL", "LDS", "STS", "LDC", "SHFL", "LD", "ST", "ATOM", "ATOMS", "RED", "LDSM"}
FLOW = {"BRA", "BRX", "BSSY", "BSYNC", "EXIT", "CALL", "RET", "BREAK", "WARPSYNC", "NOP", "YIELD", "BAR", "BMOV"}


@dataclasses.dataclass
class Instruction:
    text: str
    guard: str  # a predicate, with ! where it must not hold; empty where there is none
    name: str  # LDG.E.U16
    operands: list
    # What the compiler encoded for the scheduler: cycles until the warp's next instruction, the barriers that are freed
    # when the result is written and when the operands are read (7: none), and those that are waited for (a bit each).
    stall: int = 1
    write_barrier: int = 7
    read_barrier: int = 7
    waits: int = 0

    @property
    def base(self):
        return self.name.split(".")[0]

    @functools.cached_property
    def unit(self):
        """fma, multiply, special, memory, flow, uniform or alu."""
        base = self.base
        for unit, names in (("fma", FMA), ("multiply", MULTIPLY), ("special", SPECIAL), ("memory", MEMORY), ("flow", FLOW)):
            if base in names:
                return unit
        if base in ("S2R", "CS2R"):
            return "uniform"
        return "uniform" if base.startswith("U") or base == "R2UR" else "alu"

    @functools.cached_property
    def width(self):
        """Words of four bytes that a load or store moves for each lane."""
        return 4 if ".128" in self.name else 2 if ".64" in self.name else 1


def parse(listing):
    """The instructions of the one function that `cuobjdump -sass` printed."""
    found = []
    for line in listing.splitlines():
        if match := LINE.match(line):
            at, text = int(match[1], 16), match[2]
            if at != len(found) * SIZE:
                cuda_code.fail(f"cuobjdump's listing has a gap before {at:#x}; one function was expected")
            guard, rest = re.match(r"(?:@(!?U?P\w+)\s+)?(.*)", text).groups()
            name, _, operands = rest.partition(" ")
            operands = [operand.strip().removesuffix(".reuse") for operand in operands.split(",")] if operands else []
            found.append(Instruction(text, guard or "", name, operands))
        elif (match := HIGH.match(line)) and found:
            word = int(match[1], 16)
            last = found[-1]
            last.stall = word >> 41 & 15
            last.write_barrier, last.read_barrier, last.waits = word >> 46 & 7, word >> 49 & 7, word >> 52 & 63
    return found


def load(path, kernel, arch="sm_90"):
    """The code of one of the object's kernels, by the name that cuda_code.kernel_name gives it."""
    names = cuda_code.mangled_names(path, arch)
    if kernel not in names:
        cuda_code.fail(f"{path} has no kernel {kernel} for {arch}; a release build with CUDA has")
    return parse(cuda_code.tool("cuobjdump", "-sass", "-arch", arch, "-fun", names[kernel], path))
