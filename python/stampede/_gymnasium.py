"""The tasks as Gymnasium's environments."""

import gymnasium
import numpy
from gymnasium.vector import AutoresetMode

from . import _arguments, _core, _networks
from ._core import Error, InputError

_TERMINATED, _TIMED_OUT = 1.0, 2.0  # kTerminated, kTimedOut of envs/batch.hpp


def _final_columns(task):
    """Where the policy's observations stand among the final ones; None where some are not there.

    The engine keeps what the critic saw last. That has all that the policy sees, unless the policy sees pictures or
    earlier readings.
    """
    policy, last = (task.observation_names(task.groups[at]) for at in (0, -1))
    if policy == last:
        return slice(None)
    place = {name: at for at, name in enumerate(last)}
    if not all(name in place for name in policy):
        return None
    return numpy.array([place[name] for name in policy])


class VectorEnv(_arguments.Closing, gymnasium.vector.VectorEnv):
    """Environments of a task, side by side, as a gymnasium.vector.VectorEnv.

    **Autoreset is SAME_STEP**: an episode that ends in a step begins anew in the same step. The observation that is
    returned is the new episode's first; the last one of the episode that ended is a row of ``info["final_obs"]``, where
    ``info["_final_obs"]`` is true, without the noise that sensors have. Both are there in steps in which some episode
    ended. Policies that see pictures or earlier readings have none (``env.has_final_obs``).

    ``info`` of a step: ``"violations"``, for each constraint of the task an array [num_envs]: by how much the step
    violates it, in its quantity's unit, 0 where it does not (the largest of its joints or limbs); ``"critic"``, where
    the task has privileged observations, and ``"final_critic"`` of them.

    task: a task's name or file, such as "go2-flat"; config: a file of settings that names one, such as a run's
    config.toml. commands: [num_envs, 3] what robots are told, kept through the episodes; None: drawn at random. seed: all that is random follows from it. set: settings by their
    names, as of ``train``. actions: "task", in the task's units, joint targets [rad] of a walking robot; or "network",
    the numbers that a policy's network gives: centre + scale x number, about -1 to 1, for learners that know nothing of
    the task. copy: whether the arrays that are returned are new ones; False: they are the engine's own (on a CPU), and
    the next step overwrites them. random_initial_phase: the first episodes begin at random ages, so that they do not
    all time out together. Same task, seed and actions: the same bits, for any number of threads.
    """

    _kind = "environment"
    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}

    def __init__(self, task=None, num_envs=1, *, config=None, commands=None, seed=1, set=None, device="auto", threads=0, actions="task", copy=True,
                 random_initial_phase=False, render_mode=None):
        if render_mode is not None:
            raise InputError(f"render_mode: {render_mode!r} is given; None would be right: `stampede play` draws")
        if actions not in ("task", "network"):
            raise InputError(f"actions: {actions!r} is given; 'task' or 'network' would be right")
        self.num_envs = _arguments.whole_number("num_envs", num_envs, 1)
        self._seed = _arguments.whole_number("seed", seed, 0)
        self._copy = copy
        self.random_initial_phase = random_initial_phase  #: whether the first episodes began at random ages
        self._task = _core.plan_task(_arguments.keywords(task=task), _arguments.settings(set),
                                     _arguments.path(config))
        if commands is not None:
            if not self._task.commanded:
                raise InputError(f"commands: no robot walks in the task '{self._task.name}'; None would be right")
            commands = _arguments.array("commands", commands, (self.num_envs, 3), meaning="forward, sideways and turning")
        self._commands = commands
        self._engine = _core.make_engine(device, threads)
        self.device = self._engine.device  #: "cpu" or "cuda"
        self.task = self._task.name
        self.control_dt = self._task.control_dt  #: [s]
        self.max_steps = self._task.max_steps  #: an episode's time limit [control steps]
        self.observation_names = self._task.observation_names(self._task.groups[0])
        self.action_names = self._task.action_names
        self.constraint_names = [name for name, *_ in self._task.constraints]
        self.notes = self._task.notes  #: what is simulated otherwise than the robot's file says
        self.metadata = {**self.metadata, "render_fps": round(1 / self.control_dt)}
        self._privileged = self._task.groups[1] if len(self._task.groups) > 1 else None
        self._final_columns = _final_columns(self._task)

        low, high = numpy.float32(self._task.action_low), numpy.float32(self._task.action_high)
        self._scaling = None
        if actions == "network":
            centre, scale = numpy.float32(self._task.action_centre), numpy.float32(self._task.action_scale)
            self._scaling = centre, scale
            low, high = (low - centre) / scale, (high - centre) / scale
        self._low, self._high = low, high
        self.single_observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (len(self.observation_names),))
        self.single_action_space = gymnasium.spaces.Box(low, high)
        self.observation_space = gymnasium.vector.utils.batch_space(self.single_observation_space, self.num_envs)
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, self.num_envs)
        self._stepped = False
        super().reset(seed=self._seed)  # later resets without a seed follow from it as well
        self._make()

    def _make(self):
        self._handle = _core.Environments(self._engine, self._task, self.num_envs, self._seed, self.random_initial_phase,
                                           [] if self._commands is None else self._commands.ravel().tolist())

    @property
    def has_final_obs(self) -> bool:
        """Whether ``info["final_obs"]`` tells what was seen last of an episode that ended."""
        return self._final_columns is not None

    @property
    def counts(self) -> dict:
        """Since the last reset: steps, episodes that ended, nonfinite states that were caught, contacts_over_slots."""
        return self._open.counts

    @property
    def settings(self) -> str:
        """Every setting of the task, as TOML."""
        return self._task.settings

    @property
    def scene(self) -> bytes:
        """Robot and ground of a walking task as an MJB file, for the same version of MuJoCo."""
        return self._task.scene

    @property
    def picture(self) -> list[int]:
        """Height and width of what the policy sees; empty where it sees no picture."""
        return self._task.picture

    @property
    def qpos(self):
        """[num_envs, nq] of a walking task: the robots' positions in MuJoCo's order, after the resets of the last step."""
        return self._given(self._open.states[: self._task.positions].T)

    @property
    def qvel(self):
        """[num_envs, nv] the velocities: the base's linear in world axes, angular in its own, then the joints'."""
        return self._given(self._open.states[self._task.positions :].T)

    @property
    def commands(self):
        """[num_envs, 3] what robots are told from the next step on, forward, sideways [m/s] and turning [rad/s] (or a
        heading [rad], where the task commands one); None where they are drawn. May be set where they were given."""
        return None if self._commands is None else self._commands.copy()

    @commands.setter
    def commands(self, given):
        if self._commands is None:
            raise InputError("commands: these environments draw theirs; VectorEnv(..., commands=...) would be right")
        given = _arguments.array("commands", given, (self.num_envs, 3), meaning="forward, sideways and turning")
        self._open.set_commands(given.ravel().tolist())
        self._commands = given

    def push(self, env, x, y):
        """Sets the horizontal velocity of a robot's base [m/s, world axes], as the pushes of a training do."""
        self._open.push(_arguments.whole_number("env", env, 0), x, y)

    def judged(self, env):
        """(constraint's name, its limit, how far beyond it the worst joint or limb of an environment is) of each
        constraint, below 0 where it is kept, very far below where it does not apply."""
        violations = self._open.violations
        return [(name, limit, float(violations[begin : begin + columns, env].max()))
                for name, _, limit, begin, columns in self._task.constraints]

    def save_policy(self, path, network, *, mean=None, deviation=None, clip=None):
        """Writes a network that was trained elsewhere as a policy's file, .onnx or .safetensors.

        What `load`, `evaluate` and the program take: with the task's names, bounds and gains, so that it can be judged,
        drawn, run in MuJoCo and on a robot. network: a torch.nn.Sequential of Linear with an ELU, Tanh, ReLU or SiLU
        between each two, from [observations] to [actions] as `actions="network"` takes them. It sees
        ``(observation - mean) / deviation``, both [observations], limited to +-clip; None: as measured. A file that is
        there is replaced. Raises InputError where the network is another one or its sizes are not the task's.
        """
        _networks.write_policy(self._task, path, network, mean, deviation, clip)

    def _given(self, array):
        return array.copy() if self._copy else array

    def _told(self):
        info = {}
        if self._privileged is not None:
            info[self._privileged] = self._given(self._open.observations(self._privileged))
        return info

    def reset(self, *, seed=None, options=None):
        """Starts all environments anew; with the same seed as they were started before, where none is given at first.

        A later reset without a seed goes on to other random numbers, as Gymnasium wants it.
        """
        handle = self._open
        if options and "reset_mask" in options:
            raise InputError("reset: options['reset_mask'] is given; all environments are reset together, and each by "
                             "itself where its episode ends")
        if isinstance(seed, (list, tuple, numpy.ndarray)):
            raise InputError(f"reset: a list of {len(seed)} seeds is given; one number, from which all that is random "
                             "follows, would be right")
        super().reset(seed=seed)
        if seed is not None:
            self._seed = _arguments.whole_number("seed", seed, 0)
            self._make()
        elif self._stepped:
            self._seed = int(self.np_random.integers(1 << 62))
            self._make()
        else:
            handle.reset()
        self._stepped = False
        return self._given(self._open.observations("policy")), self._told()

    def step(self, actions):
        """One control step (`control_dt`) of all: (observations, rewards, terminations, truncations, info).

        Actions beyond the action space are limited to it. Other Python threads run meanwhile. Raises InputError for
        actions of another shape or type, and where one is NaN or infinite; nothing has moved then.
        """
        handle = self._open
        into = handle.actions
        given = _arguments.array("actions", actions, into.shape, meaning="environments and actions")
        if not numpy.isfinite(given).all():
            env, action = numpy.argwhere(~numpy.isfinite(given))[0]
            raise InputError(f"actions[{env}, {action}] is {given[env, action]}; a finite number would be right")
        if self._scaling is None:
            into[...] = given
        else:
            numpy.multiply(given, self._scaling[1], out=into)
            numpy.add(into, self._scaling[0], out=into)
        handle.step()
        self._stepped = True
        ended = handle.ended[:, 0]
        terminations, truncations = ended == _TERMINATED, ended == _TIMED_OUT
        info = self._told()
        if self.constraint_names:
            violations = handle.violations
            info["violations"] = {
                name: numpy.maximum(violations[begin : begin + columns].max(axis=0), 0)
                for name, _, _, begin, columns in self._task.constraints
            }
        over = terminations | truncations
        if over.any():
            last = handle.final_observations
            if self.has_final_obs:
                info["final_obs"] = numpy.where(over[:, None], last[:, self._final_columns], numpy.float32(0))
                info["_final_obs"] = over
            if self._privileged is not None:
                info[f"final_{self._privileged}"] = numpy.where(over[:, None], last, numpy.float32(0))
                info[f"_final_{self._privileged}"] = over
        observations, rewards = self._given(handle.observations("policy")), self._given(handle.rewards[:, 0])
        return observations, rewards, terminations, truncations, info

    def close(self, **_):
        """Frees the environments, once no array of theirs is in use any more."""
        self._handle = None

    # Gymnasium has an attribute of that name, which its constructor may set.
    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._handle is None

    def __repr__(self):
        return f"<stampede.VectorEnv of {self.num_envs} {self.task} on {self.device}>"


class Env(gymnasium.Env):
    """One environment of a task as a gymnasium.Env, for tools that take no other; VectorEnv is what is fast.

    Arguments as of VectorEnv. Not for tasks whose policy sees pictures or earlier readings, as the last observation of
    an episode is not known there.
    """

    metadata = {"render_modes": []}

    def __init__(self, task, *, threads=1, **arguments):
        self._batch = VectorEnv(task, 1, threads=threads, **{"device": "cpu", **arguments})
        if not self._batch.has_final_obs:
            raise InputError(f"Env: the policy of '{self._batch.task}' sees pictures or earlier readings, so an "
                             "episode's last observation is not known; VectorEnv would be right")
        self.metadata = {**self.metadata, "render_fps": self._batch.metadata["render_fps"]}
        self.render_mode = None
        self.observation_space = self._batch.single_observation_space
        self.action_space = self._batch.single_action_space
        self._over = False

    @staticmethod
    def _own(info):
        """What is told of the one environment."""
        return {key: Env._own(value) if isinstance(value, dict) else value[0]
                for key, value in info.items() if not key.startswith(("_", "final_"))}

    def reset(self, *, seed=None, options=None):
        """The first observation of another episode; of the one that follows from the seed, where one is given."""
        super().reset(seed=seed)
        observations, info = self._batch.reset(seed=seed, options=options)
        self._over = False
        return observations[0], self._own(info)

    def step(self, action):
        """One control step. Raises Error where the episode is over: reset() begins another one."""
        if self._over:
            raise Error("step: the episode is over; reset() begins another one")
        action = _arguments.array("action", action, self.action_space.shape, meaning="actions")
        observations, rewards, terminations, truncations, info = self._batch.step(action[None])
        terminated, truncated = bool(terminations[0]), bool(truncations[0])
        self._over = terminated or truncated
        observation = info["final_obs"][0] if self._over else observations[0]
        return observation, float(rewards[0]), terminated, truncated, self._own(info)

    def close(self):
        """Frees the environment."""
        self._batch.close()
