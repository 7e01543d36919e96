"""The names by which Gymnasium knows the tasks. Apart from _gymnasium.py, as it runs while that is being imported."""

import gymnasium

from . import _core


def register_tasks():
    """Registers every task as stampede/<name>."""
    for name in _core.tasks():
        task = f"stampede/{name}"
        if task not in gymnasium.registry:
            gymnasium.register(task, entry_point="stampede._gymnasium:Env",
                               vector_entry_point="stampede._gymnasium:VectorEnv", kwargs={"task": name})
