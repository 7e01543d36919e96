"""Policies, trainings and evaluations."""

import json
import logging
import os
import pathlib

import numpy

from . import _arguments, _core
from ._core import Error, InputError

_log = logging.getLogger("stampede")


class Policy:
    """A trained policy that acts without chance: from observations as they are measured to actions in the task's units.

    `load` makes one. `facts` are the texts of its file: names, gains, default pose (README.md lists all).
    """

    def __init__(self, path, device="auto", threads=0):
        path = _arguments.path(path)
        if not os.path.exists(path):
            raise InputError(f"load: there is no file or folder '{path}'; a policy (.onnx, .safetensors) or a run's "
                             "folder would be right")
        self._handle = _core.LoadedPolicy(_core.make_engine(device, threads), path)
        self.path = path
        self.observations = self._handle.observations  #: numbers that it sees
        self.actions = self._handle.actions  #: numbers that it gives
        self.task = self._handle.task  #: name of the task that it was trained for
        self.robot = self._handle.robot  #: of a walking task, where it is known
        self.facts = self._handle.facts

    @property
    def observation_names(self) -> list[str]:
        """What each observation is, in order; empty where the file does not say."""
        return json.loads(self.facts.get("observation_names", "[]"))

    @property
    def action_names(self) -> list[str]:
        """What each action is, in order; empty where the file does not say."""
        return json.loads(self.facts.get("action_names", "[]"))

    def act(self, observation):
        """Actions [..., actions] for observations [..., observations]: one, or a row for each environment.

        States of a recurrent network go one step on, for as long as the number of rows stays the same; `reset` begins
        them anew. Raises InputError for another shape.
        """
        shape = numpy.shape(observation)
        if shape[-1:] != (self.observations,):
            raise InputError(f"observation: an array of shape {list(shape)} is given; its last axis must be "
                             f"{self.observations} long")
        rows = _arguments.array("observation", observation, shape).reshape(-1, self.observations)
        return self._handle.act(rows).reshape(*shape[:-1], self.actions)

    def reset(self, which=None):
        """A recurrent network's states begin anew: in all rows, or in those where the mask `which` is true."""
        self._handle.reset([] if which is None else [float(bool(each)) for each in numpy.ravel(which)])

    def __repr__(self):
        return f"<stampede.Policy {self.path}: {self.observations} observations, {self.actions} actions>"


def load(path, *, device="cpu", threads=1) -> Policy:
    """The policy in a file (.onnx, .safetensors), or that of a run's folder.

    It runs on one thread of the CPU unless another `device` or more `threads` are asked for; for thousands of rows a
    call they pay. ONNX files are read if their network has dense layers only; the others' safetensors files hold all.
    """
    return Policy(path, device, threads)


def _flat(row, prefix=""):
    for key, value in row.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}/")
        else:
            yield prefix + key, value


class Run:
    """A run's folder. What `train` returns also knows how the call ended.

    `evaluation`: of the deterministic policy, as `evaluate` returns it; empty where this call did not finish the run.
    """

    def __init__(self, folder, _told=None):
        self.folder = pathlib.Path(folder)
        if not (self.folder / "config.toml").is_file():
            raise InputError(f"Run: '{folder}' is no run; a folder with a config.toml would be right")
        told = _told or {}
        self.evaluation = json.loads(told.get("evaluation", "{}"))
        self.finished = told.get("finished")  #: whether the schedule's end is reached; None: not known
        self.interrupted = told.get("interrupted")  #: whether the call was stopped before
        self.iterations = told.get("iterations")  #: since the run's start
        self.steps = told.get("steps")  #: of single environments, since the run's start
        self.seconds_train = told.get("seconds_train")  #: of this call
        self.steps_per_second = told.get("steps_per_second")  #: of this call

    @property
    def metrics(self) -> numpy.recarray:
        """A record for each iteration that was done by now: run.metrics.return_mean. NaN where there was no value.

        Fields of tables in each other have names such as "constraints/torque/violated": run.metrics["constraints/..."].
        """
        rows = []
        with open(self.folder / "metrics.jsonl", encoding="utf-8") as file:
            for line in file:
                if not line.endswith("\n"):
                    break  # the last line is being written
                rows.append(dict(_flat(json.loads(line))))
        names = list(dict.fromkeys(name for row in rows for name in row))
        numbers = [name for name in names
                   if all(isinstance(row.get(name), (int, float, type(None))) for row in rows)]

        def kind(name):
            return "i8" if all(isinstance(row.get(name), int) for row in rows) else "f8"

        table = numpy.recarray(len(rows), dtype=[(name, kind(name)) for name in numbers])
        for name in numbers:
            table[name] = [numpy.nan if row.get(name) is None else row[name] for row in rows]
        return table

    @property
    def policy_onnx(self) -> pathlib.Path:
        """The exported policy, which is there once the run has finished."""
        return self.folder / "policy.onnx"

    def policy(self, **where) -> Policy:
        """The policy of the newest checkpoint; arguments as of `load`."""
        return load(self.folder, **where)

    def __repr__(self):
        return f"<stampede.Run {self.folder}>"


def _train(keywords, set, config, run, resume, init, device, threads, force, stop_after, on_report):
    if on_report is not None and not callable(on_report):
        raise InputError(f"on_report: {type(on_report).__name__} cannot be called; a function of one argument, the "
                         "iteration's report, would be right")
    told = _core.train(keywords, _arguments.settings(set), _arguments.path(config), _arguments.path(run),
                       _arguments.path(resume), _arguments.path(init), device, threads, force, stop_after, on_report,
                       _log.info)
    return Run(told["run"], told)


def train(task=None, *, algo=None, preset=None, objective=None, robot=None, seed=None, num_envs=None, iterations=None,
          init=None, set=None, config=None, run=None, force=False, stop_after=0, on_report=None, device="auto",
          threads=0) -> Run:
    """Trains a policy, evaluates and exports it, as `stampede train` does, and returns its run.

    task: a task's name or file. set: settings by their names, {"algorithm.gamma": 0.97}; they override `config`, a
    file, and are overridden by the other arguments. run: the folder; None: a new runs/<task>-<n>. force: replace a run
    that is there. stop_after: iterations of this call; 0: all. init: a policy to begin with in place of random weights,
    a Run, its folder or a policy's file: also of another task, if all that it sees and does is there by the same names;
    observations that it was not trained with get weights of 0, and its normalisation stays as it is.

    on_report is called after each iteration with a dictionary of its metrics, "iteration" and "steps" among them. Where
    it returns something true the training stops and saves itself, and the run can go on by `resume`. What it raises, as
    what Ctrl-C raises, does the same and is raised again. Other Python threads run meanwhile.

    Raises InputError for settings that are wrong, and Error where the training diverged.
    """
    keywords = _arguments.keywords(task=task, algo=algo, preset=preset, objective=objective, robot=robot, seed=seed,
                                   num_envs=num_envs, iterations=iterations)
    if isinstance(init, Run):
        init = init.folder
    return _train(keywords, set, config, run, None, init, device, threads, force,
                  _arguments.whole_number("stop_after", stop_after, 0), on_report)


def resume(run, *, stop_after=0, on_report=None, device="auto", threads=0) -> Run:
    """Goes on with a run, from its newest checkpoint, to the same bits as without a break; arguments as of `train`."""
    folder = run.folder if isinstance(run, Run) else run
    return _train([], None, None, None, folder, None, device, threads, False,
                  _arguments.whole_number("stop_after", stop_after, 0), on_report)


def evaluate(policy, task=None, *, episodes=None, seed=None, randomise=None, simulator="stampede", set=None,
             trace=None, force=False, device="auto", threads=0) -> dict:
    """Evaluates a policy without its noise in the way that is fixed for its task, as `stampede eval --json` tells it.

    policy: a Run, a run's folder, a policy's file or a Policy. task: of a file that names none, or another one. seed:
    None: the same starts for every policy. randomise: None: where the task randomises. simulator: "stampede", or
    "mujoco" for walking tasks. trace: a file (.safetensors) for every observation, action, reward and state, which may
    exist only with force. Raises InputError where policy and task do not fit each other.
    """
    if isinstance(policy, Run):
        policy = policy.folder
    path = policy.path if isinstance(policy, Policy) else _arguments.path(policy)
    folder = os.path.isdir(path)
    if randomise is not None and not isinstance(randomise, bool):
        raise InputError(f"randomise: {randomise!r} is given; True, False or None would be right")
    trace = _arguments.path(trace)
    if trace and not force and os.path.exists(trace):
        raise InputError(f"trace: {trace} exists already; force=True overwrites it")
    if trace and not os.path.isdir(os.path.dirname(trace) or "."):
        raise InputError(f"trace: {os.path.dirname(trace)}, in which {trace} is to lie, is no folder")
    keywords = _arguments.keywords(task=task) if not folder else []
    told = _core.evaluate(path if folder else "", "" if folder else path, task or "", keywords,
                          _arguments.settings(set), episodes, seed,
                          "" if randomise is None else "on" if randomise else "off", simulator, trace, device, threads)
    return json.loads(told)


__all__ = ["Error", "Policy", "Run", "evaluate", "load", "resume", "train"]
