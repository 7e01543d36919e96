"""Batched simulation and reinforcement learning of legged robots.

- ``Simulation``: robots of a description side by side, with live arrays in MuJoCo's order and conventions.
- ``VectorEnv``, ``Env``: the tasks as Gymnasium's environments; also ``gymnasium.make_vec("stampede/go2-flat")``.
- ``train``, ``resume``, ``Run``: trainings, and their folders as objects.
- ``load``, ``evaluate``: policies, and how they are judged.

Everything that the caller can put right is an ``InputError``, which is a ``ValueError``; all others are ``Error``.
"""

import importlib.util
import sys

from . import _core
from ._core import Error, InputError
from ._learning import Policy, Run, evaluate, load, resume, train
from ._simulation import Simulation

__version__ = _core.__version__
__all__ = [
    "Env",
    "Error",
    "InputError",
    "Policy",
    "Run",
    "Simulation",
    "VectorEnv",
    "evaluate",
    "load",
    "resume",
    "robots",
    "tasks",
    "train",
]


def tasks() -> list[str]:
    """Names of the tasks that come with stampede."""
    return _core.tasks()


def robots() -> list[str]:
    """Names of the robots that come with stampede."""
    return _core.robots()


def __getattr__(name):
    # Gymnasium takes longer to import than all else together: only who asks for environments waits for it.
    if name in ("VectorEnv", "Env"):
        from . import _gymnasium

        return getattr(_gymnasium, name)
    raise AttributeError(f"module 'stampede' has no attribute '{name}'")


class _RegisterWithGymnasium:
    """Registers the tasks once somebody imports Gymnasium, which takes longer than this whole package."""

    def find_spec(self, name, path=None, target=None):
        if name != "gymnasium":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_register(module):
            execute(module)
            from ._registration import register_tasks

            register_tasks()

        spec.loader.exec_module = execute_and_register
        return spec


if "gymnasium" in sys.modules:
    from ._registration import register_tasks as _register_tasks

    _register_tasks()
else:
    sys.meta_path.insert(0, _RegisterWithGymnasium())


def __dir__():
    return sorted([*globals(), "VectorEnv", "Env"])
