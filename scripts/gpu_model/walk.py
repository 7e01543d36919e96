"""Follows a warp through a kernel's machine code.

Which way a warp goes depends on its votes, whose results are given, and on numbers that are the same in all its lanes:
settings, counters, the table of candidates for contact. So only integers and predicates are computed here, from the
kernel's arguments on; floats, and whatever else is not known, are None. Each branch must then be decided: where one is
not, or where a vote that the code computes is not the one given, the walk ends with an error and not with a guess.

What lanes may skip each by itself (a branch from behind BSSY to its BSYNC) is walked through: some lane needs it.
"""

import re
import struct

ARGUMENTS = 0x210  # where a kernel's arguments begin in its constants
STACK = 0x28  # where its constants have the address of its stack
STACK_AT = 0x7F000000  # that address; any will do
WORD = 0xFFFFFFFF
UNIFORM = 256  # uniform registers follow the others in one list
ZERO = UNIFORM + 64  # reads as 0
REGISTER = re.compile(r"^([-~|!]*)(U?R(?:\d+|Z))((?:\.\w+)*)\|?$")
PREDICATE = re.compile(r"^(!?)(U?P(?:\d|T))$")
CONSTANT = re.compile(r"^-?c\[0x0\]\[0x([0-9a-f]+)\]$")
ADDRESS = re.compile(r"\[(U?R\w+?)(?:\.64|\.U32)?(?:\+?(-?0x[0-9a-f]+))?\]$")
COMPARE = {"LT": lambda a, b: a < b, "LE": lambda a, b: a <= b, "GT": lambda a, b: a > b, "GE": lambda a, b: a >= b,
           "EQ": lambda a, b: a == b, "NE": lambda a, b: a != b}


class Lost(Exception):
    """The walk cannot go on, and why."""


# What instructions of a kind that this file does not know lead to.
UNEXPECTED = (KeyError, ValueError, IndexError, StopIteration, TypeError, AttributeError)


def signed(x):
    return x - (1 << 32) if x & 0x80000000 else x


def register(text):
    """Index of a register in the list of all."""
    if text in ("RZ", "URZ"):
        return ZERO
    return UNIFORM + int(text[2:]) if text.startswith("U") else int(text[1:])


def half(text):
    """Bits of a number of two bytes, as HFMA2 writes them: the compiler makes constants so."""
    return struct.unpack("<H", struct.pack("<e", float(text)))[0]


def combine(how, a, b):
    """AND, OR, XOR of what is true, false or not known."""
    if how == "AND":
        return False if a is False or b is False else None if a is None or b is None else True
    if how == "OR":
        return True if a is True or b is True else None if a is None or b is None else False
    return None if a is None or b is None else a != b


class Warp:
    """Integers and predicates that are the same in all lanes, as far as they are known."""

    def __init__(self, arguments, memory):
        self.registers = [None] * (ZERO + 4)
        self.registers[ZERO] = 0
        self.predicates = {f"{kind}P{i}": None for kind in ("", "U") for i in range(7)} | {"PT": True, "UPT": True}
        self.local, self.memory = {}, memory
        self.constants = {STACK + i: byte for i, byte in enumerate(STACK_AT.to_bytes(4, "little"))}
        self.constants |= {ARGUMENTS + i: byte for i, byte in enumerate(arguments)}
        self.vote = None  # called for each vote, with what the code computed

    def constant(self, at, size=4):
        values = [self.constants.get(at + i) for i in range(size)]
        return None if None in values else int.from_bytes(bytes(values), "little")

    def write(self, index, value):
        if index != ZERO:
            self.registers[index] = None if value is None else value & WORD

    def holds(self, text):
        """A predicate's value."""
        value = self.predicates[text.lstrip("!")]
        return value if value is None or not text.startswith("!") else not value


def operand(text):
    """A function that reads an operand of 32 bits from a warp."""
    if match := REGISTER.match(text):
        sign, index = match[1], register(match[2])
        if "|" in sign or match[3] not in ("", ".reuse"):
            return lambda warp: None
        if sign == "":
            return lambda warp: warp.registers[index]
        return lambda warp: None if (x := warp.registers[index]) is None else (-x if sign == "-" else ~x) & WORD
    if match := CONSTANT.match(text):
        at = int(match[1], 16)
        return lambda warp: None if text.startswith("-") else warp.constant(at)
    if match := re.match(r"^-?0x[0-9a-f]+$|^-?\d+$", text):
        value = int(text, 0) & WORD
        return lambda warp: value
    return lambda warp: None


def pair(text):
    """The same for 64 bits in two registers."""
    if not (match := REGISTER.match(text)) or match[1]:
        return lambda warp: None
    index = register(match[2])
    if index == ZERO:
        return lambda warp: 0

    def read(warp):
        low, high = warp.registers[index], warp.registers[index + 1]
        return None if low is None or high is None else low | high << 32

    return read


def write_pair(warp, index, value):
    warp.write(index, value)
    if index != ZERO:
        warp.write(index + 1, None if value is None else value >> 32)


def split(instruction):
    """Predicates that are written, the register that is, and the other operands."""
    operands = list(instruction.operands)
    written = []
    destination = None
    if operands and PREDICATE.match(operands[0]) and instruction.base not in ("BRA", "BSSY"):
        while operands and PREDICATE.match(operands[0]) and len(written) < 2:
            written.append(operands.pop(0))
        if instruction.base in ("LOP3", "ULOP3", "SHFL"):
            destination = register(operands.pop(0))
    elif operands and REGISTER.match(operands[0]):
        destination = register(REGISTER.match(operands.pop(0))[2])
        while operands and re.match(r"^U?P(\d|T)$", operands[0]) and instruction.base in (
                "IADD3", "UIADD3", "LEA", "ULEA", "LOP3", "IMAD"):
            written.append(operands.pop(0))
    return written, destination, operands


def compute(values, result):
    """result(*values) where all are known."""
    return lambda warp: None if None in (known := [value(warp) for value in values]) else result(*known)


# What the instructions that the way can depend on do. Each takes an instruction and its operands, and gives a function
# that computes the result in a warp.
def add(_, operands):
    # The carry is in the bits above. With .X two predicates are added, PT as 1; what is subtracted is then inverted only.
    values = [operand(text.lstrip("-")) for text in operands[:3]]
    minus = [text.startswith("-") for text in operands[:3]]
    incoming = operands[3:]

    def result(warp):
        known = [value(warp) for value in values] + [warp.holds(text) for text in incoming]
        if None in known:
            return None
        return sum((1 << 32) - x if negative else x for x, negative in zip(known, minus + [False] * 2, strict=False))

    return result


def multiply_add(instruction, operands):
    a, b, c = operands[:3]
    if ".X" in instruction.name or ".HI" in instruction.name:
        return None
    if ".WIDE" in instruction.name:
        convert = (lambda x: x) if ".U32" in instruction.name else signed
        return compute([operand(a), operand(b), pair(c)], lambda x, y, z: convert(x) * convert(y) + z)
    return compute([operand(a), operand(b), operand(c)], lambda x, y, z: x * y + z)


def shift(instruction, operands):
    low, by, high = (operand(text) for text in operands[:3])
    name = instruction.name
    if ".W" in name or (".R." in name and "64" in name and ".HI" not in name):
        return None  # wrapped counts, and the low word of what is shifted down: not needed

    def result(lo, n, hi):
        if ".L." in name:
            both = (hi << 32 | lo) << n
            return both >> 32 if ".U64" in name or ".HI" in name else lo << n
        if ".S32" in name or ".S64" in name:
            return signed(hi) >> n if ".HI" in name else signed(lo) >> n
        return hi >> n if ".HI" in name else lo >> n

    return compute([low, by, high], result)


def logic(a, b, c, table):
    """The function of three bits that `table` lists, bit by bit."""
    out = 0
    for i in range(8):
        if table >> i & 1:
            out |= (a if i & 4 else ~a) & (b if i & 2 else ~b) & (c if i & 1 else ~c)
    return out & WORD


def three_way(_, operands):
    table = int(operands[3], 16)
    return compute([operand(text) for text in operands[:3]], lambda a, b, c: logic(a, b, c, table))


def permute(_, operands):
    def result(a, selector, b):
        data, out = a.to_bytes(4, "little") + b.to_bytes(4, "little"), 0
        for i in range(4):
            choice = selector >> 4 * i & 15
            byte = data[choice & 7]
            out |= (0xFF * (byte >> 7) if choice & 8 else byte) << 8 * i
        return out

    return compute([operand(text) for text in operands[:3]], result)


def scaled_add(instruction, operands):
    if ".X" in instruction.name or ".HI" in instruction.name or len(operands) > 3:
        return None
    return compute([operand(text) for text in operands[:3]], lambda a, b, by: (a << by) + b)


def choose(_, operands):
    yes, no = operand(operands[0]), operand(operands[1])
    predicate = operands[2]

    def result(warp):
        holds = warp.holds(predicate)
        return None if holds is None else yes(warp) if holds else no(warp)

    return result


def copy(_, operands):
    return operand(operands[0])


def halves(_, operands):
    # HFMA2.MMA R, -RZ, RZ, high, low: two numbers of two bytes.
    if operands[:2] != ["-RZ", "RZ"]:
        return None
    try:
        value = half(operands[2]) << 16 | half(operands[3])
    except ValueError:  # QNAN and the like
        return None
    return lambda warp: value


def from_predicates(_, operands):
    # P2R R, PR, a, mask: the predicates as bits, where the mask has them, else those of a.
    other, mask = operand(operands[1]), int(operands[2], 16)

    def result(warp):
        out = other(warp)
        for i in range(7):
            if mask >> i & 1:
                holds = warp.predicates[f"P{i}"]
                out = None if out is None or holds is None else out & ~(1 << i) | holds << i
        return out

    return result


def special_register(_, operands):
    # Of the first block. A thread's number differs from lane to lane, and the walk is that of all lanes.
    return (lambda warp: 0) if operands[0].startswith(("SR_CTAID", "SRZ", "SR_CgaCtaId")) else None


RESULTS = {
    "IADD3": add, "UIADD3": add, "IMAD": multiply_add, "UIMAD": multiply_add, "SHF": shift, "USHF": shift,
    "LOP3": three_way, "ULOP3": three_way, "PRMT": permute, "UPRMT": permute, "LEA": scaled_add, "ULEA": scaled_add,
    "SEL": choose, "USEL": choose, "MOV": copy, "UMOV": copy, "R2UR": copy, "HFMA2": halves, "S2R": special_register,
    "S2UR": special_register, "CS2R": special_register, "P2R": from_predicates,
}
# Results of 64 bits. (LDG and others that load, by their width.)
WIDE = re.compile(r"^(U?IMAD\.WIDE|CS2R$)")


def comparison(instruction):
    """ISETP, UISETP: (a < b) AND c, and likewise; the second result is that of the opposite comparison."""
    written, _, operands = split(instruction)
    parts = instruction.name.split(".")
    how, unsigned, joins = COMPARE[parts[1]], "U32" in parts, next(p for p in parts if p in ("AND", "OR", "XOR"))
    a, b = operand(operands[0]), operand(operands[1])
    others = operands[2:]
    # .EX: the high words, where equal the low words' comparison decides.
    low = others[1] if "EX" in parts else None

    def run(warp):
        x, y, c = a(warp), b(warp), warp.holds(others[0])
        if x is None or y is None:
            result = opposite = None
        else:
            if not unsigned:
                x, y = signed(x), signed(y)
            if low is None or (x != y and parts[1] not in ("EQ", "NE")):
                result = how(x, y)
            elif x != y:
                result = parts[1] == "NE"
            else:
                result = warp.holds(low)
            opposite = None if result is None else not result
        for name, value in zip(written, (result, opposite), strict=True):
            if name not in ("PT", "UPT"):
                warp.predicates[name] = combine(joins, value, c)

    return run


def predicate_logic(instruction):
    """PLOP3: two functions of three predicates, each by its table."""
    written, _, operands = split(instruction)
    sources, tables = operands[:3], [int(text, 16) for text in operands[3:5]]

    def run(warp):
        possible = [[value] if (value := warp.holds(text)) is not None else [False, True] for text in sources]
        cases = [4 * a + 2 * b + c for a in possible[0] for b in possible[1] for c in possible[2]]
        for name, table in zip(written, tables, strict=True):
            if name not in ("PT", "UPT"):
                results = {bool(table >> case & 1) for case in cases}
                warp.predicates[name] = results.pop() if len(results) == 1 else None

    return run


def vote(instruction):
    """VOTE.ANY: the next of the results that are given."""
    if not instruction.name.startswith("VOTE.ANY") or len(instruction.operands) != 2:
        raise Lost(f"{instruction.text}: a vote of a kind that is not known")
    result, own = instruction.operands

    def run(warp):
        warp.predicates[result] = warp.vote(warp.holds(own))

    return run


def logic_predicate(instruction):
    """LOP3 that writes a predicate: whether the result, or the predicate behind, is not 0."""
    written, destination, operands = split(instruction)
    table, last = int(operands[3], 16), operands[4]
    sources = [operand(text) for text in operands[:3]]

    def run(warp):
        values = [source(warp) for source in sources]
        result = None if None in values else logic(*values, table)
        if destination is not None:
            warp.write(destination, result)
        not_zero = None if result is None else result != 0
        warp.predicates[written[0]] = combine("OR", not_zero, warp.holds(last))

    return run


def load_constant(instruction):
    _, destination, operands = split(instruction)
    match = CONSTANT.match(operands[0])
    at = int(match[1], 16) if match else None
    size = 1 if ".U8" in instruction.name else 2 if ".U16" in instruction.name else 4

    def run(warp):
        for i in range(instruction.width):
            warp.write(destination + i, None if at is None else warp.constant(at + 4 * i, size))

    return run


def address_of(text):
    match = ADDRESS.search(text)
    if match is None:
        return lambda warp: None
    base = pair(match[1]) if ".64]" in text or ".64+" in text else operand(match[1])
    offset = int(match[2] or "0", 16)
    return compute([base], lambda at: at + offset)


def load(instruction):
    """Loads: of what is not known to be there, None."""
    _, destination, operands = split(instruction)
    address = address_of(operands[0])
    local = instruction.base == "LDL"
    size = 1 if ".U8" in instruction.name else 2 if ".U16" in instruction.name else 4

    def run(warp):
        at = address(warp)
        for i in range(instruction.width):
            value = None
            if at is not None and local:
                value = warp.local.get(at + 4 * i)
            elif at is not None and instruction.base == "LDG":
                found = [warp.memory.get(at + 4 * i + byte) for byte in range(size)]
                value = None if None in found else int.from_bytes(bytes(found), "little")
            warp.write(destination + i, value)

    return run


def store(instruction):
    address = address_of(instruction.operands[0])
    match = REGISTER.match(instruction.operands[1])
    source = register(match[2])

    def run(warp):
        at = address(warp)
        if at is None:
            warp.local.clear()
            return
        for i in range(instruction.width):
            warp.local[at + 4 * i] = 0 if source == ZERO else warp.registers[source + i]

    return run


def unknown(instruction):
    """Whatever else: what it writes is not known any more."""
    written, destination, _ = split(instruction)
    written = [name for name in written if name not in ("PT", "UPT")]
    if instruction.base == "R2P":
        written = [f"P{i}" for i in range(7)]
    wide = max(instruction.width, 2 if WIDE.match(instruction.name) else 1)

    def run(warp):
        if destination is not None and destination != ZERO:
            for i in range(wide):
                warp.registers[destination + i] = None
        for name in written:
            warp.predicates[name] = None

    return run


def to_predicates(instruction):
    """R2P PR, a, mask: the opposite of P2R."""
    source, mask = operand(instruction.operands[1]), int(instruction.operands[2], 16)

    def run(warp):
        value = source(warp)
        for i in range(7):
            if mask >> i & 1:
                warp.predicates[f"P{i}"] = None if value is None else bool(value >> i & 1)

    return run


def forget(warp, instruction):
    """What an instruction that only some lanes executed has written may be the result, or what was there before."""
    unknown(instruction)(warp)
    if instruction.base in ("STL", "ST"):
        warp.local.clear()


def effect(instruction):
    """A function that does to a warp what the instruction does."""
    try:
        return known_effect(instruction)
    except UNEXPECTED as error:
        raise Lost(f"{instruction.text}: an instruction of a kind that is not known") from error


def known_effect(instruction):
    base = instruction.base
    if base in ("ISETP", "UISETP"):
        return comparison(instruction)
    if base in ("PLOP3", "UPLOP3"):
        return predicate_logic(instruction)
    if base in ("VOTE", "VOTEU"):
        return vote(instruction)
    if base == "R2P":
        return to_predicates(instruction)
    if base in ("LDC", "ULDC"):
        return load_constant(instruction)
    if base in ("LDG", "LDL", "LDS"):
        return load(instruction)
    if base == "STL":
        return store(instruction)
    if base == "ST":
        return lambda warp: warp.local.clear()  # it may be local memory
    if base in ("STG", "STS", "BSSY", "BSYNC", "NOP", "WARPSYNC"):
        return None
    written, destination, operands = split(instruction)
    if base in ("LOP3", "ULOP3") and written:
        return logic_predicate(instruction)
    if base not in RESULTS or destination is None or (written and base not in ("IADD3", "UIADD3", "LEA")):
        return unknown(instruction)
    result = RESULTS[base](instruction, operands)
    if result is None:
        return unknown(instruction)
    wide = bool(WIDE.match(instruction.name))
    carry = [name for name in written if name not in ("PT", "UPT")]

    def run(warp):
        value = result(warp)
        if wide:
            write_pair(warp, destination, value)
        else:
            warp.write(destination, value)
        for name in carry:
            known = value is not None and base.endswith("IADD3") and len(carry) == 1
            warp.predicates[name] = value > WORD if known else None

    return run


class Kernel:
    """A kernel's code, made ready for walks."""

    def __init__(self, code):
        self.code = code
        self.effects = [effect(instruction) for instruction in code]
        self.regions = self.skippable_regions()

    def skippable_regions(self):
        """For instructions between a BSSY and its BSYNC, which meets the lanes again, where that is."""
        end = {}
        for i, instruction in enumerate(self.code):
            if instruction.base == "BSSY":
                end |= dict.fromkeys(range(i + 1, self.target(instruction)), self.target(instruction) - 1)
        return end

    @staticmethod
    def target(instruction):
        return int(instruction.operands[-1], 16) // 16

    def walk(self, arguments, memory, votes):
        """Goes through a launch. `votes`: their results, in order. Returns the instructions that the warp executes, as
        indices into the code, and where in that list the votes are."""
        warp = Warp(arguments, memory)
        code, effects = self.code, self.effects
        executed, voted = [], []
        skipped = {}  # for a BSYNC: what only some of the lanes that meet there have executed

        def next_vote(computed):
            if len(voted) == len(votes):
                raise Lost(f"{where()}: a vote after the last of {len(votes)}")
            result = votes[len(voted)]
            if computed is not None and computed != result:
                raise Lost(f"{where()}: vote {len(voted)} is {result}, but the code computes {computed}")
            voted.append(len(executed) - 1)
            return result

        def where():
            return f"instruction {at * 16:#x}, {code[at].text if at < len(code) else 'which is behind the end'}"

        warp.vote = next_vote
        at = 0
        try:
            while True:
                instruction = code[at]
                executed.append(at)
                holds = True if not instruction.guard else warp.holds(instruction.guard)
                base = instruction.base
                if base == "BRA" and ".DIV" in instruction.name:
                    holds = False  # it is for warps whose lanes are not in step
                elif base in ("BRA", "EXIT"):
                    for condition in instruction.operands[:-1]:
                        holds = combine("AND", holds, warp.holds(condition))
                    if holds is None and base == "BRA" and self.regions.get(at) == self.target(instruction):
                        holds = False  # where there are lanes that skip it, others do not
                        skipped.setdefault(self.target(instruction), range(at + 1, self.target(instruction)))
                    if holds is None and base == "EXIT" and not voted:
                        holds = False  # lanes behind the last robot end there, and this warp has none
                    if holds is None:
                        raise Lost(f"{where()}: the walk does not know whether it is taken")
                if base in ("BRA", "EXIT"):
                    if holds and base == "EXIT":
                        if len(voted) != len(votes):
                            raise Lost(f"{where()}: the end after {len(voted)} of {len(votes)} votes")
                        return executed, voted
                    at = self.target(instruction) if holds else at + 1
                    if len(executed) > 1_000_000:
                        raise Lost(f"{where()}: a million instructions, and no end")
                    continue
                if base in ("BRX", "CALL", "RET", "JMP", "BREAK"):
                    raise Lost(f"{where()}: a jump of a kind that is not known")
                run = effects[at]
                if run is not None and holds is not False:
                    if holds is None:
                        forget(warp, instruction)
                    else:
                        run(warp)
                elif base == "BSYNC":
                    for i in skipped.pop(at, ()):
                        forget(warp, code[i])
                at += 1
        except UNEXPECTED as error:
            raise Lost(f"{where()}: an instruction of a kind that is not known") from error
