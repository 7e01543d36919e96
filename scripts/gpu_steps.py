"""The steps of scripts/gpu-check, what is worth most first: their commands, and how what they print is read.

The columns `model` hold what a model of the compiled code says of an H100 (physics +-30 %, training +-40 %): they are
read from the page that scripts/gpu-model writes, and are there to be confirmed or contradicted.
"""

import csv
import dataclasses
import fnmatch
import functools
import glob
import hashlib
import io
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The page of scripts/gpu-model, from which all that is predicted is read.
MODEL = ROOT / "docs/results/gpu-model.md"
SCENES = ("standing", "trot", "random", "falling", "terrain")
# Environments, minibatch, preset.
TRAININGS = ((2048, 12288, "medium"), (4096, 12288, "medium"), (16384, 49152, "medium"), (65536, 12288, "medium"),
             (65536, 196608, "medium"), (4096, 12288, "large"), (16384, 49152, "large"), (65536, 196608, "large"))
NETWORKS = {"medium": "128-64-32", "large": "512-256-128"}

# Tests that compare with the CPU, and do not take long; all others come later.
PARITY_TESTS = (
    "Backend.*",
    "Kernels.*",
    "Linear.*",
    "Mlp.*",
    "CudaVectorEnvironment.*",
    "CudaWalking.AnEvaluationIsThatOfTheCpu",
    "CudaSimulation.RoundsAQuadruped",
    "CudaSimulation.RoundsOnTerrain",
    "CudaDistillation.LearnsWhatACpuLearns",
)

# Nothing of the GPU's settings is changed: its clocks stay as they are.
NCU = ("--clock-control none --target-processes all --kernel-name-base demangled --launch-count 1 --kill yes "
       "--check-exit-code no --page raw --csv --section LaunchStats --section MemoryWorkloadAnalysis "
       "--section Occupancy --section SchedulerStats --section SpeedOfLight --section WarpStateStats").split()


class Wrong(Exception):
    """What a step gave is not right, or cannot be read."""


class Unusable(Exception):
    """What the check needs is not there."""


@dataclasses.dataclass
class Output:
    out: str
    err: str


@dataclasses.dataclass
class Step:
    """Commands that run one after the other, within `limit` seconds; `takes` is about what they need."""

    group: str
    title: str
    commands: list
    takes: float
    limit: float
    # Makes a row of the group's table of the commands' outputs; Wrong where they are not right. A dictionary in a row
    # is for the JSON file only.
    read: typing.Callable = lambda outputs: {}
    # Why the step cannot run here; empty where it can.
    missing: typing.Callable = lambda: ""


class Place:
    """Where the program is: a build folder, or one of scripts/gpu-pack, whose `run` finds CUDA's libraries."""

    def __init__(self, folder, is_pack):
        self.is_pack = is_pack
        data = folder if is_pack else ROOT
        self.program = [f"{folder}/run", "stampede"] if is_pack else [f"{folder}/stampede"]
        self.tests = [f"{folder}/run", "cuda_tests"] if is_pack else [f"{folder}/tests/cuda_tests"]
        self.tests_file = folder / ("bin" if is_pack else "tests") / "cuda_tests"
        self.modules = folder / ("lib/stampede" if is_pack else "modules")
        self.three_blocks = self.modules / "three-blocks/libstampede-cuda.so"
        self.robots = folder / "share/stampede/robots" if is_pack else ROOT / "envs/legged/robots"
        self.policy = data / "policies/go2-flat/policy.onnx"
        self.mjx = data / "scripts/mjx-speed"
        for file in [folder / "run", folder / "bin/stampede"] if is_pack else [folder / "stampede"]:
            if not file.is_file():
                kind, maker = ("pack", "scripts/gpu-pack") if is_pack else ("build", "cmake --build")
                raise Unusable(f"{folder} is no {kind}: {maker} makes {file.relative_to(folder)}, which is not there")

    def modules_with_three_blocks(self, folder):
        """A folder of links to the modules, of which CUDA's is the one with three blocks, where it is there."""
        folder.mkdir(exist_ok=True)
        modules = {module.name: module for module in self.modules.glob("*.so")}
        if self.three_blocks.is_file():
            modules[self.three_blocks.name] = self.three_blocks
        for name, module in modules.items():
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(module)
        return folder


class Model:
    """What the page of scripts/gpu-model predicts. Unusable where it is missing, or has not the tables that it should."""

    def __init__(self, page):
        self.page = page
        try:
            text = page.read_text()
        except OSError as error:
            raise Unusable(f"{page} cannot be read ({error.strerror}): scripts/gpu-model writes it") from None
        self.commit = self.found(r"^\| commit \| (\w+) \|$", text)
        self.networks = self.found(r"hidden layers ([\d-]+),", text)
        # Scene -> million steps/s of go2 with 4096 robots, and with the GPU full.
        full = "full: million robot-steps/s, ±30 %"
        self.physics = {row["scene"]: (int(row["million robot-steps/s"]), int(row[full].strip("*")))
                        for row in self.table(full, text)}
        # Environments and minibatch -> milliseconds of an iteration, of these physics; million steps/s.
        self.trainings = {(int(row["robots"]), int(row["minibatch"])):
                          (float(row["iteration"]), float(row["physics"]), float(row["million control steps/s"]))
                          for row in self.table("million control steps/s", text)}
        if missing := set(SCENES) - set(self.physics):
            raise self.other(f"the scene {min(missing)}")

    def found(self, pattern, text):
        match = re.search(pattern, text, re.MULTILINE)
        if match is None:
            raise self.other(pattern)
        return match[1]

    def table(self, column, text):
        """The rows of the table that has such a column, each a dictionary."""
        lines = text.splitlines()
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        head = next((i for i, line in enumerate(lines) if line.startswith("|") and column in cells[i]), None)
        if head is None:
            raise self.other(f"a column '{column}'")
        rows = []
        for line, row in zip(lines[head + 2:], cells[head + 2:]):
            if not line.startswith("|"):
                break
            rows.append(dict(zip(cells[head], row, strict=True)))
        return rows

    def other(self, what):
        return Unusable(f"{self.page} has not {what}: it is not as this scripts/gpu-model writes it")

    def of_physics(self, robot, scene, full):
        return self.physics[scene][full] if robot == "go2" else ""

    def of_training(self, num_envs, minibatch, networks):
        return self.trainings.get((num_envs, minibatch), ("", "", "")) if networks == self.networks else ("", "", "")


# ------------------------------------------------------------------------------------------ tools


def find_tool(name, *patterns):
    """A tool of the toolkit: on the PATH, or where its packages put it; its bare name where it is not."""
    found = (path for pattern in patterns for path in sorted(glob.glob(pattern), reverse=True))
    return shutil.which(name) or next((path for path in found if os.access(path, os.X_OK)), name)


def without(tool):
    """Why a step cannot run that needs the tool; empty where it can."""
    return "" if os.path.isabs(tool) else f"{tool} is not on this machine"


@functools.lru_cache
def without_tests(place, dry):
    if not place.tests_file.is_file():
        return "this build has no cuda_tests"
    if not dry:
        return ""
    # Where there is no GPU, its libraries may be missing too.
    found = subprocess.run([*place.tests, "--gtest_list_tests"], capture_output=True, text=True, check=False)
    return "" if found.returncode != 127 else found.stderr.strip()


@functools.lru_cache
def without_mjx(dry):
    names = "import jax, mujoco.mjx; print(jax.default_backend())"
    try:
        found = subprocess.run([sys.executable, "-c", names], capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return "JAX does not start within a minute"
    if found.returncode != 0:
        return "JAX with MuJoCo MJX (packages jax, mujoco and mujoco-mjx) is not on this machine"
    return "" if dry or found.stdout.split()[-1:] in (["gpu"], ["cuda"]) else "JAX sees no GPU"


# ------------------------------------------------------------------------------------------ reading


def result_of(output):
    try:
        return json.loads(output.out)
    except ValueError:
        raise Wrong("the program printed no JSON object") from None


def finite(output):
    """The result; Wrong where states became NaN or infinite, or contacts were dropped."""
    result = result_of(output)
    for key in ("nonfinite", "contacts_over_slots"):
        if result[key] != 0:
            raise Wrong(f"{key} is {result[key]}, and must be 0")
    return result


def millions(number):
    return f"{number / 1e6:.3g}"


def read_training(outputs, least):
    result = finite(outputs[0])
    mean = result["return_mean"]
    if not mean >= least:
        raise Wrong(f"the return is {mean:.4g}, and should be at least {least}")
    return {"seed": result["seed"], "return": f"{mean:.4g}", "M steps/s": millions(result["steps_per_second"]),
            "s of training": f"{result['seconds_train']:.2f}", "s in all": f"{result['seconds_total']:.2f}"}


def read_walking(outputs, dry):
    row = read_training(outputs, -math.inf)
    result = result_of(outputs[1])
    linear, angular = result["tracking_error_linear"], result["tracking_error_angular"]
    falls = result["fall_rate"]
    # A CPU's trainings end at 0.13 to 0.14 m/s, 0.10 to 0.11 rad/s and 0 to 0.2 %.
    if not dry and not (linear <= 0.2 and angular <= 0.2 and falls <= 0.02):
        raise Wrong(f"it does not walk: off by {linear:.3g} m/s and {angular:.3g} rad/s, falls {100 * falls:.2g} %")
    return {**row, "off by, m/s": f"{linear:.3f}", "rad/s": f"{angular:.3f}", "falls, %": f"{100 * falls:.2f}"}


def read_evaluations(outputs):
    """One policy with one seed on two processors: returns as far apart as rounding may bring episodes, not further."""
    both = [result_of(output) for output in outputs]
    means = [result["return_mean"] for result in both]
    allowed = 4 * max(result["return_std"] for result in both) / math.sqrt(both[0]["episodes"]) + 1e-3
    if not abs(means[0] - means[1]) <= allowed:
        raise Wrong(f"returns are {means[0]:.5g} and {means[1]:.5g}; chance explains {allowed:.2g} between them")

    def pair(key, form):
        return " and ".join(format(result[key], form) for result in both)
    return {"devices": pair("device", ""), "returns": pair("return_mean", ".5g"), "allowed apart": f"{allowed:.2g}",
            "off by, m/s": pair("tracking_error_linear", ".4f"), "falls": pair("fall_rate", ".3g")}


def read_physics(outputs, model, full):
    result = finite(outputs[0])
    robot, scene = result["robot"], result["scene"]
    return {"robot": robot, "scene": scene, "robots": result["num_envs"],
            "M steps/s": millions(result["steps_per_second"]),
            "model": model.of_physics(robot, scene, full),
            "contacts": f"{result['contacts_mean']:.2f}", "iterations": f"{result['iterations_mean']:.2f}",
            "at the cap": f"{result['iteration_cap_share']:.2g}"}


def read_blocks(outputs):
    """The same robots by two modules. A compiler rounds as it likes, so states differ, but not what they come to."""
    two, three = map(finite, outputs)
    contacts = [result["contacts_mean"] for result in (two, three)]
    if not abs(contacts[1] - contacts[0]) <= 0.1:
        raise Wrong(f"with three blocks a robot has {contacts[1]:.2f} contacts, with two {contacts[0]:.2f}")
    speeds = [result["steps_per_second"] for result in (two, three)]
    return {"robot": two["robot"], "scene": two["scene"], "robots": two["num_envs"],
            "two blocks, M steps/s": millions(speeds[0]), "three blocks, M steps/s": millions(speeds[1]),
            "three / two": f"{speeds[1] / speeds[0]:.3f}"}


def read_training_speed(outputs, model, num_envs, minibatch, networks):
    result = finite(outputs[0])
    of_iteration, of_physics, steps = model.of_training(num_envs, minibatch, networks)
    iteration = 1e3 * result["seconds"] / result["iterations"]
    return {"environments": result["num_envs"], "minibatch": minibatch, "networks": networks,
            "M steps/s": millions(result["steps_per_second"]), "model": steps,
            "ms an iteration": f"{iteration:.3g}", "model, ms": of_iteration,
            "ms of physics": f"{iteration * result['share_physics']:.3g}", "model of physics": of_physics,
            "ms of update": f"{iteration * result['share_update']:.3g}",
            "update, TFLOP/s": f"{result['update_gflops'] / 1e3:.3g}",
            "multiply-add peak": f"{result['fma_peak_gflops'] / 1e3:.3g}"}


def read_environments(outputs):
    result = finite(outputs[0])
    return {"task": result["task"], "robots": result["num_envs"],
            "M control steps/s": millions(result["steps_per_second"]), "episodes": result["episodes"]}


def read_robustness(outputs):
    result = finite(outputs[0])
    return {"robot": result["robot"], "ground": result["terrain"] or "level", "M steps": millions(result["steps"]),
            "at the cap": f"{result['iteration_cap_share']:.2g}", "deepest, cm": f"{100 * result['deepest']:.1f}"}


def read_same(_, folders):
    """Policies and last checkpoints of two trainings: the same bits."""
    hashes = []
    for folder in map(pathlib.Path, folders):
        files = [folder / "policy.safetensors", max((folder / "checkpoint").glob("*.safetensors"))]
        hashes.append([hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files])
    if hashes[0] != hashes[1]:
        raise Wrong(f"two trainings with one seed differ: their policies and last checkpoints hash to {hashes}")
    return {"policy": hashes[0][0], "last checkpoint": hashes[0][1]}


def read_tests(outputs):
    """GoogleTest's lines; they are there too where it was stopped half-way."""
    text = outputs[0].out
    passed = re.findall(r"^\[       OK \] (\S+) \((\d+) ms\)", text, re.M)
    failed, skipped = ([*dict.fromkeys(re.findall(rf"^\[  {word} *\] (\w+\.\w+)", text, re.M))]
                       for word in ("FAILED", "SKIPPED"))
    # A test of the GPU that is skipped here has not been run.
    if failed or skipped or not passed:
        raise Wrong(f"{len(passed)} passed; failed: {', '.join(failed) or 'none'}; "
                    f"skipped: {', '.join(skipped) or 'none'}")
    name, milliseconds = max(passed, key=lambda test: int(test[1]))
    return {"passed": len(passed), "slowest": f"{name}, {int(milliseconds) / 1e3:.1f} s"}


def read_listed_tests(outputs, patterns):
    """Of a dry run: each pattern must name tests."""
    names, suite = [], ""
    for line in outputs[0].out.splitlines():
        if line.startswith(" "):
            names.append(suite + line.split()[0])
        elif line.strip():
            suite = line.split()[0]
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise Wrong(f"no test is called {pattern}")
    return {"listed": len(names)}


def read_ncu(outputs, kernel):
    lines = outputs[0].out.splitlines()
    header = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), len(lines))
    rows = list(csv.DictReader(io.StringIO("\n".join(lines[header:]))))
    if len(rows) < 2:  # the first has the units
        raise Wrong(f"Nsight Compute saw no kernel called {kernel}")
    metrics = {key: value for key, value in rows[1].items() if key and value}

    def number(name):
        try:
            return float(metrics[name].replace(",", ""))
        except (KeyError, ValueError):
            return math.nan
    stalls = {}
    for name in metrics:
        if match := re.fullmatch(r"smsp__average_warps_issue_stalled_(\w+)_per_issue_active\.ratio", name):
            stalls[match[1]] = number(name)
    largest = sorted(((value, reason) for reason, value in stalls.items() if value > 0), reverse=True)[:5]
    if not largest:
        raise Wrong("Nsight Compute named no reasons for stalls")
    return {"kernel": kernel, "warps stalled": ", ".join(f"{reason} {value:.2f}" for value, reason in largest),
            "instructions a cycle": f"{number('sm__inst_executed.avg.per_cycle_active'):.2f}",
            "warps active, %": f"{number('sm__warps_active.avg.pct_of_peak_sustained_active'):.0f}",
            "L1 hits, %": f"{number('l1tex__t_sector_hit_rate.pct'):.0f}",
            "registers": f"{number('launch__registers_per_thread'):.0f}", "metrics": metrics}


def read_mjx(outputs):
    # What its states come to is a fact about MJX, and no failure of this check.
    result = result_of(outputs[0])
    return {"scene": result["scene"], "robots": result["num_envs"], "iterations": result["solver"],
            "M steps/s": millions(result["steps_per_second"]), "not finite": result["nonfinite"],
            "s to compile": f"{result['seconds_first']:.0f}",
            "MuJoCo": result["mujoco_version"], "JAX": f"{result['jax_version']}, {result['backend']}"}


# ------------------------------------------------------------------------------------------ the steps


class Steps(list):
    """All steps. A dry run's are small, on whatever device there is, and list the tests only."""

    def __init__(self, place, model, work, device, dry):
        super().__init__()
        self.place, self.model, self.work, self.device, self.dry = place, model, work, device, dry
        self.add_first()
        self.add_speed()
        self.add_trainings()
        self.add_blocks()
        self.add_profiles()
        self.add_thorough()
        self.add_mjx()

    def add(self, *arguments, **named):
        step = Step(*arguments, **named)
        if self.dry:
            step.limit *= 10  # which is meant for a GPU
        self.append(step)

    def pick(self, real, small):
        return small if self.dry else real

    def stampede(self, *words):
        return [*self.place.program, *map(str, words), "--device", self.device, "--json"]

    def train(self, task, name, *words):
        """A training in a run folder of that name; of a dry run its first two iterations."""
        minibatch = [] if task == "pendulum" else ["--set", "algorithm.minibatch=768"]
        short = self.pick([], ["--iterations", 2, "--num-envs", 64, "--set", "run.eval_episodes=16", *minibatch])
        return self.stampede("train", "--task", task, "--run", f"{self.work}/{name}", *words, *short)

    def physics(self, robot, scene, num_envs, repetitions):
        return self.stampede("bench", "physics", "--robot", robot, "--dt", 0.005, "--scene", scene,
                             "--num-envs", num_envs, "--repetitions", repetitions)

    def add_tests(self, title, patterns, takes, limit, others=False):
        words = [f"--gtest_filter={'-' if others else ''}{':'.join(patterns)}", *self.pick([], ["--gtest_list_tests"])]
        named = ["*"] if others else patterns
        self.add("Tests", title, [[*self.place.tests, *words]], takes, limit,
                 self.pick(read_tests, lambda outputs: read_listed_tests(outputs, named)),
                 lambda: without_tests(self.place, self.dry))

    def add_physics(self, robot, scene, num_envs, full):
        self.add("Physics", f"{robot}, {scene}, {num_envs} robots",
                 [self.physics(robot, scene, self.pick(num_envs, 8), self.pick(5, 1))], 4, 25,
                 lambda outputs: read_physics(outputs, self.model, full))

    def add_pendulum(self, group, title, name, *words):
        # -200 is told from luck, and far below the CPU's -152 to -155.
        self.add(group, title, [self.train("pendulum", name, *words)], 4, 60,
                 lambda outputs: read_training(outputs, self.pick(-200, -math.inf)))

    def add_first(self):
        """Does it run, and is it right?"""
        self.add_pendulum("Runs", "a pendulum learns to swing up", "first")
        self.add_tests("those that compare with the CPU", PARITY_TESTS, 30, 75)
        judge = ["eval", "--policy", str(self.place.policy), "--episodes", str(self.pick(1000, 16)), "--json"]
        self.add("Parity", "go2-flat's policy, judged on both processors",
                 [[*self.place.program, *judge, "--device", device] for device in (self.device, "cpu")], 8, 40,
                 read_evaluations)

    def add_speed(self):
        for full, num_envs in enumerate((4096, 32768)):
            for scene in SCENES:
                self.add_physics("go2", scene, num_envs, full)
        for num_envs, minibatch, preset in TRAININGS:
            of = (self.model, num_envs, minibatch, NETWORKS[preset])
            self.add("Training speed",
                     f"go2-flat, {num_envs} environments, {minibatch} a minibatch, {NETWORKS[preset]}",
                     [self.stampede("bench", "train", "--task", "go2-flat", "--preset", preset,
                                    "--num-envs", self.pick(num_envs, 64), "--seconds", self.pick(1.5, 0.01),
                                    "--set", f"algorithm.minibatch={self.pick(minibatch, 768)}")], 5, 25,
                     lambda outputs, of=of: read_training_speed(outputs, *of))
        for num_envs in (1024, 4096, 16384, 65536, 262144):
            self.add("Throughput", f"go2-flat, {num_envs} robots under random actions",
                     [self.stampede("bench", "env", "--task", "go2-flat", "--num-envs", self.pick(num_envs, 16),
                                    "--seconds", self.pick(1, 0.01))], 4, 25, read_environments)

    def add_trainings(self):
        for seed in (1, 2, 3):
            self.add_pendulum("Trainings", f"pendulum, seed {seed}", f"pendulum-{seed}", "--seed", seed)
        self.add("Trainings", "go2-flat, to its end, then judged",
                 [self.train("go2-flat", "go2-flat"),
                  self.stampede("eval", "--run", f"{self.work}/go2-flat", *self.pick([], ["--episodes", 16]))], 20, 120,
                 lambda outputs: read_walking(outputs, self.dry))
        folders = [f"same-{which}" for which in "ab"]
        self.add("Determinism", "go2-flat, twice with one seed",
                 [self.train("go2-flat", name, "--seed", 7, *self.pick(["--iterations", 50], [])) for name in folders],
                 12, 60, lambda outputs: read_same(outputs, [f"{self.work}/{name}" for name in folders]))

    def add_blocks(self):
        """Whether a third block of threads on a multiprocessor gains more than the registers that it takes from the others:
        the program with the one CUDA module, then with the other."""
        modules = self.place.modules_with_three_blocks(pathlib.Path(self.work) / "three-blocks")
        there = self.place.three_blocks.is_file()
        for num_envs in (4096, 65536):
            for scene in ("trot", "standing", "random", "terrain"):
                words = self.physics("go2", scene, self.pick(num_envs, 8), self.pick(5, 1))
                self.add("Step kernel", f"go2, {scene}, {num_envs} robots, two and three blocks a multiprocessor",
                         [words, ["env", f"STAMPEDE_MODULES={modules}", *words]], 8, 50, read_blocks,
                         lambda: self.pick("" if there else "there is no CUDA module with three blocks "
                                           "(-DSTAMPEDE_CUDA_THREE_BLOCKS=ON)", ""))

    def add_profiles(self):
        """Why the large kernels are as fast as they are."""
        ncu = find_tool("ncu", "/usr/local/cuda*/bin/ncu", "/opt/nvidia/nsight-compute/*/ncu")
        environments = self.stampede("bench", "env", "--task", "go2-flat", "--num-envs", 4096, "--seconds", 0.1)
        # Behind the 50 control steps in which the robots settle.
        for kernel, skip, what, command in (
                ("StepPhysics", 60, "go2, trot, 32768 robots", self.physics("go2", "trot", 32768, 1)),
                ("StepPhysics", 60, "go2, trot, 4096 robots", self.physics("go2", "trot", 4096, 1)),
                ("FinishStep", 10, "go2-flat, 4096 robots", environments)):
            self.add("Stalls", f"{kernel}, {what}",
                     [[ncu, *NCU, "--launch-skip", str(skip), "--kernel-name", f"regex:{kernel}", *command]], 15, 60,
                     lambda outputs, kernel=kernel: read_ncu(outputs, kernel),
                     lambda: self.pick("", "it needs a GPU") or without(ncu))

    def add_thorough(self):
        self.add_tests("all others", PARITY_TESTS, 60, 150, others=True)
        sanitizer = find_tool("compute-sanitizer", "/usr/local/cuda*/bin/compute-sanitizer",
                              "/usr/local/cuda*/compute-sanitizer/compute-sanitizer")
        # Small, as a tool slows them a hundredfold: iterations, plain and recorded, and robots on terrain.
        training = self.stampede("bench", "train", "--task", "go2-flat", "--num-envs", 64, "--seconds", 0.001,
                                 "--set", "train.horizon=4", "--set", "algorithm.minibatch=128")
        for tool in ("memcheck", "racecheck", "synccheck", "initcheck"):
            for what, command in (("iterations of go2-flat", training),
                                  ("go2 on terrain", self.physics("go2", "terrain", 32, 1))):
                self.add("compute-sanitizer", f"{tool}, {what}",
                         [[sanitizer, "--tool", tool, "--error-exitcode", "1", "--target-processes", "all", *command]],
                         10, 45, missing=lambda: self.pick("", "it needs a GPU") or without(sanitizer))
        for ground in ([], ["--terrain", "all"]):
            self.add("Robustness", f"go2 on {'terrain' if ground else 'level ground'}",
                     [self.stampede("bench", "robustness", "--robot", "go2", *ground, "--num-envs", self.pick(4096, 8),
                                    "--steps", self.pick(2000, 20))], 5, 30, read_robustness)
        for scene in ("trot", "terrain"):
            self.add_physics("anymal_c", scene, 32768, 1)
        self.add("Trainings", "go2-rough, 100 iterations",
                 [self.train("go2-rough", "go2-rough", *self.pick(["--iterations", 100], []))], 20, 90,
                 lambda outputs: read_training(outputs, -math.inf))

    def add_mjx(self):
        """Last, as it takes a minute to compile, and says nothing of this program."""
        for cap in ([], ["--iterations", "4", "--ls-iterations", "10"]):
            self.add("MuJoCo MJX", f"go2, trot, {'few' if cap else 'its own'} iterations",
                     [[sys.executable, str(self.place.mjx), str(self.place.robots / "go2.xml"), "--scene", "trot",
                       "--num-envs", str(self.pick(8192, 4)), "--seconds", str(self.pick(0.5, 0.02)), *cap]], 60, 150,
                     read_mjx, lambda: without_mjx(self.dry))
