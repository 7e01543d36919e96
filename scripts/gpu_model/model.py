"""What warps do in each scene, and how long an H100 would take for it."""

import collections
import dataclasses
import functools
import json
import statistics

import cuda_code

from gpu_model import sass, walk
from gpu_model.issue import Issued, Machine, Timed

# By the ground: the kernel, the program of a build's folder that emulates its warps, and the scenes.
LEVEL, ROUGH = ("4 x 3", "level"), ("4 x 3", "any")
PROGRAMS = {LEVEL: "tests/emulate_warps", ROUGH: "tests/emulate_warps_on_terrain"}
SCENES = {LEVEL: ("standing", "trot", "random", "falling"), ROUGH: ("terrain",)}
LANES, LIMBS = 32, 4
ROBOTS = LANES // LIMBS  # a warp

# Pieces of a step, by the functions whose votes come before and after; the first that fits is taken. A piece's last
# instructions may be of the next: the compiler mixes what no vote parts.
CONTACTS = ("find_contacts", "add_contact", "touch", "touch_heightfield")
PIECES = (
    ("reading; kinematics, mass matrix, bias, forces", None, "find_contacts"),
    ("integration of the step before; kinematics, mass matrix, bias, forces", "step_lanes", "find_contacts"),
    ("finding contacts", CONTACTS, CONTACTS),
    ("start of the search; joints' rows", CONTACTS, "joint_rows"),
    ("contacts' rows", "joint_rows", "step_lanes"),
    ("Newton: between iterations", "step_lanes", "any_limit_active"),
    ("Newton: assembling and solving", "any_limit_active", "advance_search"),
    ("Newton: the line, full step", "advance_search", "search_line"),
    ("line search", "search_line", "search_line"),
    ("Newton: moving along", "search_line", "step_lanes"),
    ("Newton: ended by the decrement", "advance_search", "step_lanes"),
    ("integration; whether all is finite", "step_lanes", "put_down"),
    ("writing", "put_down", None),
)


@dataclasses.dataclass
class Scene:
    """What emulate_warps printed of a scene."""

    data: dict

    @property
    def name(self):
        return self.data["scene"]

    @property
    def steps(self):
        """Of a launch."""
        return self.data["steps"]

    @functools.cached_property
    def functions(self):
        """The function that each place of a vote is in, without template arguments."""
        return [place["function"].partition("<")[0] for place in self.data["places"]]

    def place(self, function, which=0):
        """The letter of a function's `which`th place by line; empty where no warp came there."""
        lines = sorted((place["line"], i) for i, place in enumerate(self.data["places"]) if self.functions[i] == function)
        return chr(ord("a") + lines[which][1]) if which < len(lines) else ""

    def votes(self, function, which=0):
        """Of a place, for a warp and step: votes, those won; and the share of lanes in favour where it was won."""
        letter = self.place(function, which)
        if not letter:
            return 0.0, 0.0, 0.0
        place = self.data["places"][ord(letter) - ord("a")]
        steps = len(self.data["launches"]) * self.steps
        return place["votes"] / steps, place["won"] / steps, place["lanes"] / max(1, place["won"]) / LANES

    def slots(self):
        """Slots that a warp uses in each of its steps."""
        fresh, end = self.place("add_contact").upper(), self.place("joint_rows")
        found = []
        for launch in self.data["launches"]:
            used = 0
            for vote in launch:
                used += vote == fresh
                if vote.lower() == end:
                    found.append(used)
                    used = 0
        return found

    def by_control_step(self):
        """The launches of each control step, one a warp."""
        launches = self.data["launches"]
        warps = self.data["warps"]
        return [launches[first : first + warps] for first in range(0, len(launches), warps)]

    def sample(self, control_steps, warps):
        """Launches: of so many control steps, evenly from all, as many warps each. Which of a control step's warps, by how
        quick they are, is spread evenly too, by a sequence of low discrepancy (Roberts 2018, R1)."""
        found = []
        moments = self.by_control_step()
        for i in range(control_steps):
            launches = sorted(moments[(2 * i + 1) * len(moments) // (2 * control_steps)], key=len)
            for j in range(warps):
                found.append(launches[int((0.5 + 0.6180339887 * (i * warps + j)) % 1 * len(launches))])
        return found

    @property
    def arguments(self):
        """Bytes of the kernel's arguments: the kernel itself, first and last lane."""
        lanes = self.data["warps"] * LANES
        return bytes.fromhex(self.data["parameters"]) + (0).to_bytes(8, "little") + lanes.to_bytes(8, "little")

    @property
    def in_training(self):
        """The scene with the kernel's arguments of a training: delays are read and records written besides."""
        return Scene(self.data | {"parameters": self.data["training_parameters"]})

    @property
    def robots(self):
        return self.data["warps"] * ROBOTS

    @property
    def seconds(self):
        """That the robots were stepped for."""
        return len(self.by_control_step()) * self.steps * self.data["timestep"]

    @property
    def memory(self):
        """What the kernel reads that decides its way: the kinds of candidates for contact."""
        return {self.data["kinds_at"] + i: byte for i, byte in enumerate(bytes.fromhex(self.data["kinds"]))}


def emulate(build, ground, scenes=None, robot="go2"):
    """Steps robots on this machine, by packs as wide as a warp."""
    program = build / PROGRAMS[ground]
    if not program.is_file():
        cuda_code.fail(f"{program} is not there; `cmake --build --preset release --target {program.name}` with CUDA makes it")
    return [Scene(json.loads(line)) for line in cuda_code.tool(program, robot, *(scenes or SCENES[ground])).splitlines()]


def piece(before, after):
    """The index in PIECES of what is between votes of these functions."""
    for i, (_, first, last) in enumerate(PIECES):
        if before in (first if isinstance(first, tuple) else (first,)) and after in (last if isinstance(last, tuple) else (last,)):
            return i
    raise walk.Lost(f"votes in {before} and {after} follow each other, and no piece of a step is known between them")


@dataclasses.dataclass
class Walked:
    """A sample of a scene's launches, instruction by instruction."""

    kernel: walk.Kernel
    scene: Scene
    warps: int  # of each control step
    launches: list  # their votes, as letters
    traces: list  # what they execute
    voted: list  # where in a trace the votes are

    @property
    def warp_steps(self):
        return len(self.traces) * self.scene.steps

    @property
    def instructions(self):
        """Of a warp and step."""
        return sum(map(len, self.traces)) / self.warp_steps

    def segments(self, launch):
        """The trace's parts between votes: piece, letters of the votes before and after, begin, end."""
        letters, functions = self.launches[launch], self.scene.functions
        ends = [*(at + 1 for at in self.voted[launch]), len(self.traces[launch])]
        begin, before = 0, ""
        for after, end in zip([*letters, ""], ends, strict=True):
            name = [functions[ord(x.lower()) - ord("a")] if x else None for x in (before, after)]
            yield piece(*name), before, after, begin, end
            begin, before = end, after


def walk_scene(kernel, scene, control_steps, warps):
    """Walks a sample of a scene's launches. Each of the code's votes must be one place's in the source."""
    walked = Walked(kernel, scene, warps, scene.sample(control_steps, warps), [], [])
    places = {}
    try:
        for letters in walked.launches:
            trace, voted = kernel.walk(scene.arguments, scene.memory, [letter.isupper() for letter in letters])
            for letter, at in zip(letters, voted, strict=True):
                if places.setdefault(trace[at], letter.lower()) != letter.lower():
                    raise walk.Lost(f"{kernel.code[trace[at]].text} would be a vote of two places in the source")
            walked.traces.append(trace)
            walked.voted.append(voted)
    except walk.Lost as lost:
        raise walk.Lost(f"scene {scene.name}: the walk through the kernel's code is lost; {lost}") from lost
    return walked


def executed(walked, kinds):
    """Instructions of a warp and step, by the kinds that kinds(instruction) names."""
    times = collections.Counter(at for trace in walked.traces for at in trace)
    found = collections.Counter()
    for at, count in times.items():
        found[kinds(walked.kernel.code[at])] += count
    return {kind: count / walked.warp_steps for kind, count in found.items()}


def code_bytes(walked):
    """Size of the code that these warps came through."""
    return sass.SIZE * len({at for trace in walked.traces for at in trace})


def issue(timed, walked, warps):
    """Issues the sample's launches, so many of a control step side by side on a scheduler, until the last of them ends."""
    if walked.warps % warps != 0:
        raise walk.Lost(f"{walked.warps} warps of each control step were walked, which are not whole groups of {warps} side by side")
    total = Issued()
    for first in range(0, len(walked.traces), warps):
        total.add(timed.issue(walked.traces[first : first + warps]))
    return total


def rate(machine, walked, issued):
    """Million robot-steps/s of the whole GPU."""
    robot_steps = issued.instructions / walked.instructions * ROBOTS
    return robot_steps / issued.cycles * machine.clock * machine.processors * machine.schedulers / 1e6


@dataclasses.dataclass
class Pieces:
    """For each piece of a step: how often, instructions and cycles of a lone warp, a warp and step."""

    times: collections.Counter
    instructions: collections.Counter
    cycles: collections.Counter
    # For the time of launches that were not walked: cycles by what is between two votes.
    between: dict


def pieces(timed, walked):
    """Takes the sample's launches apart."""
    found = Pieces(collections.Counter(), collections.Counter(), collections.Counter(), {})
    between = collections.defaultdict(list)
    share = 1 / walked.warp_steps
    for launch, trace in enumerate(walked.traces):
        starts = []
        total = timed.issue([trace], starts).cycles
        starts.append(total)
        for index, before, after, begin, end in walked.segments(launch):
            cycles = starts[end] - starts[begin]
            found.times[index] += share
            found.instructions[index] += share * (end - begin)
            found.cycles[index] += share * cycles
            between[before, after].append(cycles)
    found.between = {key: statistics.mean(values) for key, values in between.items()}
    return found


def slowest(scene, found, warps):
    """How much longer than the mean of all the slowest of so many warps takes for a launch, on average over the control
    steps; by the mean cycles of what is between two votes."""
    means = found.between
    others = statistics.mean(means.values())
    worst = every = 0.0
    for launches in scene.by_control_step():
        times = sorted(sum(means.get(key, others) for key in zip(["", *letters], [*letters, ""], strict=True)) for letters in launches)
        count = len(times)
        worst += sum(time * (((i + 1) / count) ** warps - (i / count) ** warps) for i, time in enumerate(times))
        every += statistics.mean(times)
    return worst / every
