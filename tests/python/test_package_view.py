"""The viewer: driven from Python, and in a browser, whose picture is looked at."""

import base64
import itertools
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from program import run_json

stampede = pytest.importorskip("stampede")
view = pytest.importorskip("stampede.view")
ROOT = pathlib.Path(__file__).resolve().parents[2]
POLICY = ROOT / "policies/go2-flat/policy.onnx"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def walking():
    """A viewer of two robots that walk; it is stepped by the test, not by a clock."""
    viewer = view.Viewer(policy=POLICY, num_envs=2, port=free_port())
    yield viewer
    viewer.close()


def steps(viewer, count):
    for _ in range(count):
        viewer._take_step()
    viewer._show(0)


def test_it_goes_where_the_sliders_say(walking):
    shown = walking._shown
    forward, sideways, turn = shown._sliders
    forward.value, sideways.value, turn.value = 0.8, 0.0, 0.0
    start = np.array(shown.qpos[:, :2])
    steps(walking, 150)
    # The starts look in random directions: how far it went counts.
    went = np.linalg.norm(shown.qpos[:, :2] - start, axis=1)
    assert (went > 1.4).all() and (went < 2.8).all(), went
    shown._stop()
    steps(walking, 50)
    before = np.array(shown.qpos[:, :2])
    steps(walking, 50)
    assert np.linalg.norm(shown.qpos[:, :2] - before, axis=1).max() < 0.15
    told, does = np.array(shown._history, float).T[:2]
    assert told[-1] == 0 and abs(does[-20:].mean()) < 0.15


def test_a_push_moves_it(walking):
    shown = walking._shown
    shown._stop()
    steps(walking, 60)
    calm = np.linalg.norm(shown._environment.qvel[:, :2], axis=1).max()
    shown._push = True
    steps(walking, 1)
    assert np.linalg.norm(shown._environment.qvel[:, :2], axis=1).min() > calm + 0.4


def test_other_ground(walking):
    shown = walking._shown
    flat = walking._drawing._model.ngeom
    shown._kind.value, shown._difficulty.value = "stairs-up", 0.5
    shown._other_ground = True
    steps(walking, 2)
    assert walking._drawing._model.ngeom > flat
    assert len(shown.qpos) == 2
    shown._kind.value = "level plane"
    shown._other_ground = True
    steps(walking, 2)
    assert walking._drawing._model.ngeom == flat


def test_constraints_are_bars(walking):
    steps(walking, 5)
    bars = walking._shown._bars.content
    for name in walking._shown._environment.constraint_names:
        assert f'data-name="{name}"' in bars
    walking._shown._push = True
    colours = set()
    for _ in range(40):
        steps(walking, 1)
        colours |= {colour for colour in ("#d33", "#4a8") if colour in walking._shown._bars.content}
    assert colours == {"#d33", "#4a8"}


def test_a_run_is_followed(tmp_path):
    run = tmp_path / "run"
    train = ["train", "--task", "go2-flat", "--num-envs", 64, "--iterations", 4, "--run", run, "--set", "train.horizon=8",
             "--set", "run.checkpoint_every=2", "--set", "run.eval_episodes=4", "--set", "control.episode=0.5"]
    run_json(*train, "--stop-after", 2)
    viewer = view.Viewer(run=run, port=free_port())
    try:
        steps(viewer, 1)
        first, said = viewer._shown._policy, viewer._shown.say
        run_json("train", "--resume", run)
        steps(viewer, 1)
        assert viewer._shown._policy is not first and viewer._shown.say != said
    finally:
        viewer.close()


def test_a_robot_without_a_policy():
    viewer = view.Viewer(robot="go2", port=free_port())
    try:
        slider = viewer._shown._sliders[2]
        steps(viewer, 25)
        before = viewer._shown.qpos[0, 9]
        slider.value = slider.min
        steps(viewer, 25)
        assert viewer._shown.qpos[0, 9] < before - 0.1
    finally:
        viewer.close()


def test_the_camera_of_a_policy_that_sees(tmp_path):
    viewer = view.Viewer(policy=ROOT / "policies/go2-parkour-depth/policy.safetensors", port=free_port())
    try:
        steps(viewer, 10)
        picture = viewer._shown._picture.image
        assert picture.shape == (24, 32, 3) and picture.max() > picture.min()
    finally:
        viewer.close()


@pytest.mark.parametrize("flags, parts", [
    ([], ["policy", "run", "robot"]),
    (["--policy", "nowhere.onnx"], ["nowhere.onnx"]),
    (["--run", "nowhere"], ["nowhere"]),
    (["--policy", POLICY, "--robot", "go2"], ["one of"]),
    (["--policy", POLICY, "--task", "pendulum"], ["no robot walks"]),
    (["--policy", POLICY, "--task", "anymal-rough"], ["45", "100"]),
    (["--policy", POLICY, "--set", "terrain.kindz=3"], ["terrain.kinds"]),
    (["--robot", "go3"], ["go2"]),
])
def test_what_cannot_be_shown_is_one_line(flags, parts):
    process = subprocess.run([sys.executable, "-m", "stampede.view", *map(str, flags), "--port", str(free_port())],
                             capture_output=True, text=True, timeout=60)
    assert process.returncode == 2, process.stderr
    [line] = process.stderr.splitlines()
    assert line.startswith("stampede: error: ")
    for part in parts:
        assert part in line, line


def test_a_port_that_is_taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(stampede.InputError, match=f"port {port}"):
            view.Viewer(robot="go2", port=port)


class Browser:
    """Headless Chromium, told what to do through its DevTools protocol."""

    def __init__(self, program, folder):
        from websockets.sync.client import connect

        port = free_port()
        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
             f"--remote-debugging-port={port}", f"--user-data-dir={folder}", "--window-size=1200,800", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            try:
                pages = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json"))
                break
            except OSError:
                time.sleep(0.1)
        [page] = [page for page in pages if page["type"] == "page"]
        self.socket = connect(page["webSocketDebuggerUrl"], max_size=None)
        self.number = itertools.count(1)

    def tell(self, method, **parameters):
        number = next(self.number)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            said = json.loads(self.socket.recv(timeout=60))
            if said.get("id") == number:
                return said.get("result", said)

    def text(self):
        """What the page says; nothing while it is loaded."""
        said = self.tell("Runtime.evaluate", expression="document.body ? document.body.innerText : ''")
        return said.get("result", {}).get("value", "")

    def wait_for(self, words):
        for _ in range(300):
            if words in self.text():
                return
            time.sleep(0.2)
        raise AssertionError(f"{words!r} does not appear: {self.text()}")

    def key(self, key):
        for kind in ("keyDown", "keyUp"):
            self.tell("Input.dispatchKeyEvent", type=kind, key=key, code=f"Key{key.upper()}",
                      windowsVirtualKeyCode=ord(key.upper()))

    def picture(self, file):
        file.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot", format="png")["data"]))

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium; `apt-get install chromium` brings it")
def test_in_a_browser(tmp_path):
    from PIL import Image

    viewer = view.serve(policy=POLICY, num_envs=2, port=free_port())
    browser = Browser(shutil.which("chromium"), tmp_path / "browser")
    try:
        browser.tell("Page.navigate", url=f"http://127.0.0.1:{viewer.port}/")
        browser.wait_for("forward [m/s]")
        browser.wait_for("joint_torque")
        time.sleep(2)
        picture = tmp_path / "view.png"
        browser.picture(picture)
        if "STAMPEDE_VIEW_PICTURE" in os.environ:  # for somebody to look at
            shutil.copy(picture, os.environ["STAMPEDE_VIEW_PICTURE"])
        pixels = np.asarray(Image.open(picture).convert("L"))[100:700, 50:800]
        # The robots are dark and light on the ground's grey.
        assert pixels.std() > 8 and (pixels < 90).mean() > 0.002, (pixels.std(), (pixels < 90).mean())
        before = viewer._shown._sliders[0].value
        browser.key("s")
        for _ in range(50):
            time.sleep(0.1)
            if viewer._shown._sliders[0].value != before:
                break
        assert viewer._shown._sliders[0].value < before
    finally:
        browser.close()
        viewer.close()
