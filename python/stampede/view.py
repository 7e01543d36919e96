"""The robot in the browser, live: ``python -m stampede.view --run runs/go2-flat-1``, then http://localhost:8080.

Tell it where to go with the sliders, or with W A S D and Q E; push it (P), pause (space), slow down, put it on other
ground. Constraints are bars that turn red where they are violated. Over ssh: ``ssh -L 8080:localhost:8080 machine``.

From Python: ``stampede.view.serve(policy="policy.onnx")`` returns a `Viewer` that runs in a thread of its own.
"""

import argparse
import os
import pathlib
import socket
import sys
import threading
import time
import tomllib

import numpy

from . import _arguments, _core
from ._core import Error, InputError

try:
    import viser
    from viser import uplot

    from ._drawing import Drawing, model_of
except ImportError as missing:  # they come with the extra, as few need them
    raise ImportError(f"{missing.name} is not installed; `pip install 'stampede[view]'` brings it") from None

from ._gymnasium import VectorEnv
from ._learning import Policy, Run
from ._simulation import Simulation

_FRAMES = 30  # a second
_PLOTTED = 5.0  # [s]
_PLANE = "level plane"
_KEYS = {"W": (0, 1), "S": (0, -1), "A": (1, 1), "D": (1, -1), "Q": (2, 1), "E": (2, -1)}  # slider, direction
_NOT_APPLIED = -1e29  # kNotApplied of kernels/constraints.hpp lies below


def _yaw_frame(qpos, qvel):
    """Forward, sideways [m/s] and turning velocity [rad/s] of a base, in its yaw frame."""
    w, x, y, z = qpos[3:7]
    yaw = numpy.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    c, s = numpy.cos(yaw), numpy.sin(yaw)
    return c * qvel[0] + s * qvel[1], c * qvel[1] - s * qvel[0], qvel[5]


class _Walking:
    """Robots that follow a policy, and the panels for them."""

    def __init__(self, viewer, policy, run, task, set, num_envs):
        self._viewer, self._policy, self._run = viewer, policy, run
        self._task = task or policy.task
        if not self._task:
            raise InputError(f"{policy.path} does not say for which task it is; --task would be right")
        self._set, self._num_envs = dict(set or {}), num_envs
        self._config = None if run is None else run.folder / "config.toml"
        self._newest = self._checkpoint()
        self._environment = self._made({})
        self._panels()
        self.restart()

    def _made(self, ground):
        """Environments on that ground."""
        commands = numpy.zeros((self._num_envs, 3), numpy.float32)
        env = VectorEnv(None if self._config else self._task, self._num_envs, config=self._config,
                        set={**self._set, **ground}, device=self._viewer.device, threads=self._viewer.threads,
                        commands=commands)
        names = env.observation_names
        if self._policy.observations != len(names) or self._policy.actions != len(env.action_names):
            raise InputError(f"{self._policy.path} sees {self._policy.observations} numbers and gives "
                             f"{self._policy.actions}; the task '{env.task}' shows {len(names)} and takes "
                             f"{len(env.action_names)}: a policy for that robot and task would be right")
        return env

    def _panels(self):
        gui, commands = self._viewer.gui, tomllib.loads(self._environment.settings)["commands"]
        heading = commands["heading_gain"] > 0
        with gui.add_folder("Command"):
            self._sliders = []
            for name, key, unit in (("forward", "x", "m/s"), ("sideways", "y", "m/s"),
                                    ("heading", "heading", "rad") if heading else ("turn", "yaw", "rad/s")):
                low, high = commands[key]
                start = 0.6 * high if key == "x" else 0.0
                self._sliders.append(gui.add_slider(f"{name} [{unit}]", min(low, 0.0), max(high, 0.01), 0.01,
                                                    round(start, 2), disabled=low == high))
            stop, push = gui.add_button("stop (X)"), gui.add_button("push (P)")
        self._push, self._angles = False, numpy.random.default_rng(1)
        stop.on_click(lambda _: self._stop())
        push.on_click(lambda _: setattr(self, "_push", True))
        gui.add_command("stop", hotkey="X").on_trigger(lambda _: self._stop())
        gui.add_command("push", hotkey="P").on_trigger(lambda _: setattr(self, "_push", True))
        for key, (slider, sign) in _KEYS.items():
            what = ("forward", "sideways", "turn")[slider]
            gui.add_command(f"{what} {'+' if sign > 0 else '-'}", hotkey=key).on_trigger(
                lambda _, slider=slider, sign=sign: self._nudge(slider, sign))
        with gui.add_folder("Ground"):
            kinds = ["as trained", _PLANE, *_core.terrain_kinds()]
            self._kind = gui.add_dropdown("kind", kinds, initial_value="as trained")
            self._difficulty = gui.add_slider("difficulty", 0.0, 1.0, 0.05, 0.3)
        for control in (self._kind, self._difficulty):
            control.on_update(lambda _: setattr(self, "_other_ground", True))
        self._other_ground = False
        with gui.add_folder("How it follows"):
            self._plots = [self._plot("forward [m/s]"), self._plot("heading's rate [rad/s]" if heading else "turn [rad/s]")]
        self._compares_turning = not heading
        with gui.add_folder("Constraints"):
            self._bars = gui.add_html("")
        camera = self._environment.picture
        self._picture = None
        if camera:
            with gui.add_folder("What it sees"):
                self._picture = gui.add_image(numpy.zeros((*camera, 3), numpy.uint8))
        self._said = gui.add_markdown("")

    def _plot(self, title):
        empty = (numpy.zeros(2), numpy.zeros(2), numpy.zeros(2))
        series = (uplot.Series(label="s"), uplot.Series(label="told", stroke="#999999", width=2),
                  uplot.Series(label="does", stroke="#2b5fa8", width=2))
        return self._viewer.gui.add_uplot(empty, series, title=title, aspect=2.2)

    def _stop(self):
        for slider in self._sliders:
            slider.value = 0.0

    def _nudge(self, at, sign):
        slider = self._sliders[at]
        if not slider.disabled:
            slider.value = float(numpy.clip(slider.value + 0.1 * sign * (slider.max - slider.min) / 2, slider.min, slider.max))

    @property
    def model(self):
        return model_of(self._environment.scene)

    @property
    def seconds(self):
        """Of a step."""
        return self._environment.control_dt

    @property
    def qpos(self):
        return self._environment.qpos

    @property
    def say(self):
        counts = self._environment.counts
        return (f"{self._environment.task}, {self._said_of_policy}; {counts['episodes']} episodes ended"
                + (f", {counts['nonfinite']} states not finite" if counts["nonfinite"] else ""))

    def restart(self):
        self._observations, _ = self._environment.reset()
        self._policy.reset()
        self._history = []
        newest = self._newest
        self._said_of_policy = "policy of " + (newest.name if newest else os.path.basename(self._policy.path))

    def step(self):
        """One control step. Returns whether the ground is another now."""
        changed = self._renewed() if self._other_ground else False
        self._follow_run()
        command = [slider.value for slider in self._sliders]
        self._environment.commands = numpy.tile(numpy.float32(command), (self._num_envs, 1))
        if self._push:
            self._push = False
            angle = self._angles.uniform(0, 2 * numpy.pi)
            for env in range(self._num_envs):
                self._environment.push(env, numpy.cos(angle), numpy.sin(angle))
        actions = self._policy.act(self._observations)
        self._observations, _, terminated, timed_out, _ = self._environment.step(actions)
        if (over := terminated | timed_out).any():
            self._policy.reset(over)
        forward, _, turning = _yaw_frame(self._environment.qpos[0], self._environment.qvel[0])
        self._history.append((command[0], forward, command[2] if self._compares_turning else numpy.nan, turning))
        del self._history[: -int(_PLOTTED / self.seconds)]
        return changed

    def _renewed(self):
        self._other_ground = False
        kind, difficulty = self._kind.value, self._difficulty.value
        ground = {}
        if kind == _PLANE:
            ground = {"terrain.kinds": []}
        elif kind != "as trained":
            ground = {"terrain.kinds": [kind], "terrain.levels": 1, "terrain.columns": self._num_envs,
                      "terrain.easiest": difficulty, "terrain.hardest": difficulty}
        try:
            self._environment = self._made(ground)
        except Error as error:
            self._viewer.complain(str(error))
            return False
        self.restart()
        return True

    def _checkpoint(self):
        """The newest checkpoint of a run that is followed."""
        if self._run is None:
            return None
        files = sorted((self._run.folder / "checkpoint").glob("*.safetensors"))
        return files[-1] if files else None

    def _follow_run(self):
        newest = self._checkpoint()
        if newest is None or newest == self._newest:
            return
        try:
            self._policy = self._run.policy()
        except Error:
            return  # it is being written, or was removed meanwhile: the next step looks again
        self._newest = newest
        self._said_of_policy = f"policy of {newest.name}"

    def show(self):
        """The panels."""
        table = numpy.array(self._history, float).T
        if table.size:
            at = self.seconds * numpy.arange(table.shape[1])
            self._plots[0].data = (at, table[0], table[1])
            self._plots[1].data = (at, table[2], table[3])
        self._bars.content = self._constraints()
        if self._picture is not None:
            height, width = self._environment.picture
            names, seen = self._environment.observation_names, self._observations[0]
            pixels = [at for at, name in enumerate(names) if name.startswith("depth")][: height * width]
            near = 1 - numpy.clip(seen[pixels].reshape(height, width) / max(float(seen[pixels].max()), 1e-6), 0, 1)
            self._picture.image = numpy.repeat((255 * near).astype(numpy.uint8)[..., None], 3, axis=2)

    def _constraints(self):
        lines = []
        for name, limit, worst in self._environment.judged(0):
            if worst <= _NOT_APPLIED:
                share, colour, told = 0.0, "#bbb", "does not apply"
            else:
                share = 1.0 if worst > 0 else numpy.clip(1 + worst / abs(limit), 0, 1) if limit else 0.0
                colour, told = ("#d33", f"over by {worst:.3g}") if worst > 0 else ("#4a8", "")
            lines.append(f'<div style="font-size:0.7em;margin:2px 1em"><span>{name} <span style="color:#888">{told}</span>'
                         f'</span><div style="background:#eee;height:6px"><div class="bar" data-name="{name}" style="'
                         f'background:{colour};height:6px;width:{100 * share:.0f}%"></div></div></div>')
        return "".join(lines)


class _Puppet:
    """Robots without a policy: each servo's target is a slider."""

    def __init__(self, viewer, robot, num_envs):
        self._viewer = viewer
        self._simulation = Simulation(robot, num_envs, device=viewer.device, threads=viewer.threads)
        gui, self._sliders = viewer.gui, []
        with gui.add_folder("Joints' targets [rad]"):
            model = self.model
            for at, name in enumerate(self._simulation.actuated_joint_names):
                joint = model.joint(name)
                low, high = joint.range if joint.limited else (-3.14, 3.14)
                start = float(numpy.clip(self._simulation.home_ctrl[at], low, high))
                self._sliders.append(gui.add_slider(name, round(float(low), 2) - 0.01, round(float(high), 2) + 0.01, 0.01,
                                                    round(start, 2)))
        self._steps = max(1, round(0.02 / self._simulation.timestep))

    @property
    def model(self):
        return model_of(self._simulation.scene)

    @property
    def seconds(self):
        return self._steps * self._simulation.timestep

    @property
    def qpos(self):
        return self._simulation.qpos

    @property
    def say(self):
        return f"no policy; {self._simulation.counts['nonfinite']} states not finite"

    def restart(self):
        self._simulation.reset()

    def step(self):
        self._simulation.ctrl[:] = [slider.value for slider in self._sliders]
        self._simulation.step(self._steps)
        return False

    def show(self):
        pass


class Viewer:
    """A server that shows robots to browsers; `serve` makes one. `close` ends it."""

    def __init__(self, *, policy=None, run=None, robot=None, task=None, set=None, num_envs=1, host="127.0.0.1", port=8080,
                 device="cpu", threads=1):
        given = [each for each in (policy, run, robot) if each is not None]
        if len(given) != 1:
            raise InputError("what to show: one of policy (a file), run (a folder) and robot (a name or file) would be right")
        num_envs = _arguments.whole_number("num_envs", num_envs, 1)
        self.device, self.threads, self.port = device, threads, port
        # Everything that can be refused is, before the port is opened.
        if run is not None:
            run = run if isinstance(run, Run) else Run(run)
            policy = run.policy()
        elif policy is not None and not isinstance(policy, Policy):
            policy = Policy(policy, device, threads)
        self._claim(host, port)
        self._server = viser.ViserServer(host=host, port=port, label="stampede", verbose=False)
        try:
            self.gui = self._server.gui
            scene = self._server.scene
            scene.set_up_direction("+z")
            scene.configure_environment_map(None)
            scene.configure_default_lights(False)
            scene.add_light_hemisphere("/sky", sky_color=(255, 255, 255), ground_color=(120, 124, 130), intensity=1.6)
            scene.add_light_directional("/sun", intensity=1.4, position=(2, -3, 4), cast_shadow=True)
            # Robots stand left of the panels.
            self._server.initial_camera.position = (0.9, -1.25, 0.5)
            self._server.initial_camera.look_at = (0.25, 0.2, -0.05)
            self._time_panel()
            self._shown = (_Puppet(self, robot, num_envs) if robot is not None
                           else _Walking(self, policy, run, task, set, num_envs))
            self._draw_anew()
        except BaseException:
            self._server.stop()
            raise
        self._closing = threading.Event()
        self._thread = None  # that runs it, where it is not the caller's

    @staticmethod
    def _claim(host, port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except (OSError, OverflowError) as error:
                raise InputError(f"port {port} of {host} cannot be used ({error}); another one, such as {min(port, 65000) + 1}, "
                                 "would be right") from None

    def _time_panel(self):
        with self.gui.add_folder("Time"):
            self._paused = self.gui.add_checkbox("pause (space)", False)
            self._speed = self.gui.add_slider("speed", 0.05, 2.0, 0.05, 1.0)
            self._follows = self.gui.add_checkbox("camera follows", True)
            again = self.gui.add_button("restart (R)")
            self._status = self.gui.add_markdown("")
        again.on_click(lambda _: setattr(self, "_again", True))
        self.gui.add_command("pause", hotkey="space").on_trigger(lambda _: setattr(self._paused, "value", not self._paused.value))
        self.gui.add_command("restart", hotkey="R").on_trigger(lambda _: setattr(self, "_again", True))
        self._again = False

    def complain(self, line):
        """A line in every browser, of what cannot be done."""
        for client in self._server.get_clients().values():
            client.add_notification("That cannot be simulated", line)

    def run(self):
        """Steps and shows the robots until `close` is called, in real time where the machine is fast enough."""
        due = time.monotonic()
        frame = 0
        while not self._closing.is_set():
            begun = time.monotonic()
            if self._again:
                self._again = False
                self._shown.restart()
            if not self._paused.value:
                # As many steps as belong into a frame; what a slow machine cannot do is left out, not made up for.
                while due < begun and not self._closing.is_set():
                    self._take_step()
                    due += self._shown.seconds / self._speed.value
                    if time.monotonic() - begun > 0.2:
                        break
            due = max(due, begun - 0.1)
            self._show(frame)
            frame += 1
            self._closing.wait(max(0.0, 1 / _FRAMES - (time.monotonic() - begun)))

    def _take_step(self):
        if self._shown.step():
            self._drawing.remove()
            self._draw_anew()

    def _draw_anew(self):
        self._drawing = Drawing(self._server.scene, self._shown.model, len(self._shown.qpos))
        self._drawing.place_apart(numpy.array(self._shown.qpos))

    def _show(self, frame):
        qpos = numpy.array(self._shown.qpos)
        with self._server.atomic():
            self._drawing.show(qpos, self._follows.value)
        if frame % 3 == 0:
            self._shown.show()
            self._status.content = self._shown.say

    def close(self):
        """Ends it; the port is free again."""
        self._closing.set()
        if self._thread not in (None, threading.current_thread()):
            self._thread.join()
        self._server.stop()


def serve(**arguments) -> Viewer:
    """Makes a `Viewer` and runs it in a thread; arguments as of the flags: policy=, run=, robot=, task=, set=, num_envs=,
    host=, port=, device=, threads=. Raises InputError for what cannot be shown, and where the port is taken."""
    viewer = Viewer(**arguments)
    viewer._thread = threading.Thread(target=viewer.run, name="stampede.view", daemon=True)
    viewer._thread.start()
    return viewer


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m stampede.view", description=__doc__.split("\n")[0])
    parser.add_argument("--policy", help="a policy's file (.onnx, .safetensors)")
    parser.add_argument("--run", help="a run's folder; of a training that goes on, always the newest checkpoint")
    parser.add_argument("--robot", help="a robot's name or file, without a policy: a slider for each joint")
    parser.add_argument("--task", help="another task than the policy names")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the task; repeatable")
    parser.add_argument("--num-envs", type=int, default=1, help="robots side by side (1)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1; 0.0.0.0: every network)")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    try:
        given = {}
        for each in options.set:
            key, equals, value = each.partition("=")
            if not equals:
                raise InputError(f"--set {each}: key=value, such as commands.period=5, would be right")
            given[key] = _from_toml(value)
        viewer = Viewer(policy=options.policy, run=options.run, robot=options.robot, task=options.task, set=given,
                        num_envs=options.num_envs, host=options.host, port=options.port, device=options.device,
                        threads=options.threads)
    except InputError as error:
        print(f"stampede: error: {error}", file=sys.stderr)
        return 2
    print(f"http://{options.host}:{options.port}  (Ctrl-C ends it)", flush=True)
    try:
        viewer.run()
    except KeyboardInterrupt:
        pass
    viewer.close()
    return 0


def _from_toml(value):
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


if __name__ == "__main__":
    sys.exit(main())
