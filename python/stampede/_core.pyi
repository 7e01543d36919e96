"""
The compiled part of stampede. Use the package's own names; these may change.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy
from numpy.typing import NDArray


class Error(RuntimeError):
    """
    What stampede refuses or fails at: one line that says what is wrong, where, and what would be right.
    """

class InputError(Error, ValueError):
    """
    An Error that the caller can put right: a wrong name, value, shape or file. Also a ValueError.
    """

class Engine:
    """A processor to run on, with its kernels."""

    @property
    def device(self) -> str:
        """cpu or cuda."""

    @property
    def instruction_set(self) -> str:
        """avx512, avx2, baseline; sm_90 and the like on a GPU."""

    @property
    def description(self) -> str:
        """The processor's name and size."""

    @property
    def threads(self) -> int:
        """Host threads in use."""

def make_engine(device: str = 'auto', threads: int = 0) -> Engine:
    """The device auto, cpu, cuda or cuda:N; threads 0: all cores."""

def tasks() -> list[str]:
    """Names of the tasks that come with stampede."""

def terrain_kinds() -> list[str]:
    """Kinds of ground, as terrain.kinds takes them."""

def robots() -> list[str]:
    """Names of the robots that come with stampede."""

class Task:
    """A task with its settings, ready to be simulated."""

    @property
    def name(self) -> str: ...

    @property
    def control_dt(self) -> float:
        """[s]"""

    @property
    def max_steps(self) -> int:
        """An episode's time limit."""

    @property
    def action_names(self) -> list[str]: ...

    @property
    def action_low(self) -> list[float]: ...

    @property
    def action_high(self) -> list[float]: ...

    @property
    def action_centre(self) -> list[float]: ...

    @property
    def action_scale(self) -> list[float]: ...

    @property
    def groups(self) -> list[str]:
        """Names of the groups of observations, the policy's first."""

    def observation_names(self, arg: str, /) -> list[str]: ...

    @property
    def constraints(self) -> list[tuple[str, str, float, int, int]]:
        """(name, kind, limit, first column, columns) of each."""

    @property
    def notes(self) -> list[str]:
        """What is simulated otherwise than the robot's file says."""

    @property
    def picture(self) -> list[int]:
        """
        Height and width of what the policy sees; empty where it sees no picture.
        """

    @property
    def commanded(self) -> bool:
        """Whether a robot walks in it."""

    @property
    def positions(self) -> int:
        """Of its states, those that are positions."""

    @property
    def scene(self) -> bytes:
        """Robot and ground as an MJB file of MuJoCo's."""

    @property
    def settings(self) -> str:
        """Every setting, as TOML."""

def plan_task(keywords: Sequence[tuple[str, str, str]], set: Sequence[str], config: str) -> Task:
    """
    The task of the settings: keywords (key, value as TOML, origin), over set, over the file config.
    """

class Environments:
    """Environments of a task, side by side."""

    def __init__(self, engine: Engine, task: Task, num_envs: int, seed: int, random_initial_phase: bool, commands: Sequence[float]) -> None: ...

    def reset(self) -> None: ...

    def step(self) -> None:
        """One control step with what `actions` holds."""

    @property
    def actions(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    def observations(self, arg: str, /) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def rewards(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def ended(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def final_observations(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def violations(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def states(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    def set_commands(self, arg: Sequence[float], /) -> None: ...

    def push(self, arg0: int, arg1: float, arg2: float, /) -> None: ...

    @property
    def counts(self) -> dict: ...

class Robots:
    """Robots of a description, side by side."""

    def __init__(self, engine: Engine, robot: str, num_envs: int, timestep: float | None, base: str, contact_forces: bool) -> None: ...

    @property
    def num_envs(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def scene(self) -> bytes: ...

    @property
    def nq(self) -> int: ...

    @property
    def nv(self) -> int: ...

    @property
    def nu(self) -> int: ...

    @property
    def timestep(self) -> float:
        """[s]"""

    @property
    def total_mass(self) -> float:
        """[kg]"""

    @property
    def joint_names(self) -> list[str]: ...

    @property
    def actuated_joint_names(self) -> list[str]: ...

    @property
    def limb_joints(self) -> list[list[str]]: ...

    @property
    def home_qpos(self) -> list[float]: ...

    @property
    def home_ctrl(self) -> list[float]: ...

    @property
    def notes(self) -> list[str]: ...

    @property
    def counts(self) -> dict: ...

    def step(self, n: int) -> None: ...

    def forward(self) -> None: ...

    def reset(self, arg: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], /) -> None: ...

    @property
    def qpos(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def qvel(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def ctrl(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def time(self) -> Annotated[NDArray[numpy.float64], dict(order='C', device='cpu')]: ...

    @property
    def contact_force(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def qacc(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def qfrc_bias(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def mass_matrix(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def ncon(self) -> Annotated[NDArray[numpy.int32], dict(order='C', device='cpu')]: ...

    @property
    def gravity(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def push_force(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def push_torque(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def friction(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def base_mass(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def base_centre(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def mass(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def strength(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def stiffness(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def damping(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def armature(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    @property
    def friction_loss(self) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

class LoadedPolicy:
    """A policy by itself."""

    def __init__(self, engine: Engine, path: str) -> None: ...

    def act(self, observations: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(order='C', device='cpu')]: ...

    def reset(self, which: Sequence[float]) -> None: ...

    @property
    def observations(self) -> int: ...

    @property
    def actions(self) -> int: ...

    @property
    def task(self) -> str: ...

    @property
    def robot(self) -> str: ...

    @property
    def facts(self) -> dict[str, str]: ...

def write_policy(task: Task, file: str, layers: Sequence[tuple[int, int, Sequence[float], Sequence[float]]], activation: str, mean: Sequence[float], deviation: Sequence[float], clip: float) -> None:
    """
    Dense layers (outputs, inputs, weight, bias) as a policy of the task: .safetensors, else ONNX.
    """

def train(keywords: Sequence[tuple[str, str, str]], set: Sequence[str], config: str, run: str, resume: str, init: str, device: str, threads: int, force: bool, stop_after: int, on_report: object | None, on_message: object) -> dict: ...

def evaluate(run: str, policy: str, task: str, keywords: Sequence[tuple[str, str, str]], set: Sequence[str], episodes: int | None, seed: int | None, randomise: str, simulator: str, trace: str, device: str, threads: int) -> str: ...
