"""The command `pipeline`: teacher, student, evaluation, export and report, with one command that goes on where it
stopped (docs/pipeline.md)."""

import base64
import html
import json
import os
import re
import shutil
import signal
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import onnxruntime
import pytest
from program import PROGRAM, refused, run, run_json

STAGES = ["teacher", "student", "evaluation", "export", "report"]
CONFIG = """
[teacher]
task = "pendulum"
[teacher.train]
iterations = 12
num_envs = 256
[teacher.run]
eval_episodes = 10

[student]
task = "pendulum-pixels"
[student.train]
iterations = 6
num_envs = 64
[student.run]
eval_episodes = 10
validate_every = 2
validation_episodes = 10

[evaluate]
episodes = 50

[report]
title = "a <small> pendulum"
seconds = 1
width = 64
height = 48
"""
# What must not depend on how often a pipeline was interrupted; the page tells the time that each stage took.
BITS = ["teacher/policy.safetensors", "student/policy.safetensors", "student/teacher.json", "evaluation.json",
        "policy.onnx", "policy.safetensors", "film.gif"]


def write(folder, text=CONFIG, name="small.toml"):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text)
    return file


def bits(folder):
    return {name: (folder / name).read_bytes() for name in BITS if name != "student/teacher.json"} | {
        # It names the teacher's folder.
        "teacher.json": {k: v for k, v in json.loads((folder / "student/teacher.json").read_text()).items()
                         if k != "teacher"}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A pipeline that was never interrupted: its configuration, its folder, what was said."""
    folder = tmp_path_factory.mktemp("pipeline")
    config = write(folder)
    said = run_json("pipeline", "--config", config, "--run", folder / "run")
    return config, folder / "run", said


def interrupt(signal_number, when, *arguments, cwd=None):
    """Runs the program and sends it a signal once it says something that matches; its exit status."""
    process = subprocess.Popen([os.path.abspath(PROGRAM), *map(str, arguments)], cwd=cwd, text=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    found = False
    for line in process.stderr:
        if not found and re.search(when, line):
            found = True
            process.send_signal(signal_number)
    assert found, when
    return process.wait()


def test_all_stages_in_order(whole):
    _, folder, said = whole
    assert said["command"] == "pipeline" and said["run"] == str(folder)
    assert [stage["name"] for stage in said["stages"]] == STAGES
    assert all(stage["done"] and stage["seconds_total"] >= 0 for stage in said["stages"])
    assert said["finished"] and not said["interrupted"] and said["nonfinite"] == 0
    assert Path(said["report"]) == folder / "report.html"
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert evaluation["task"] == "pendulum-pixels" and evaluation["student"]["episodes"] == 50
    assert said["return_mean"] == evaluation["student"]["return_mean"]
    assert said["teacher_return_mean"] == evaluation["teacher"]["return_mean"]
    # It is what each run says of itself.
    student = run_json("eval", "--run", folder / "student", "--episodes", 50)
    assert student["return_mean"] == pytest.approx(said["return_mean"], rel=1e-6)
    teacher = run_json("eval", "--run", folder / "teacher", "--episodes", 50)
    assert teacher["return_mean"] == pytest.approx(said["teacher_return_mean"], rel=1e-6)
    session = onnxruntime.InferenceSession(said["policy_onnx"])
    assert session.get_inputs()[0].shape[1] == 512
    assert (folder / "policy.onnx").read_bytes() == (folder / "student/policy.onnx").read_bytes()


def test_what_is_done_is_not_done_again(whole):
    config, folder, said = whole
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    again = run_json("pipeline", "--config", config, "--run", folder)
    assert again["stages"] == said["stages"] and again["return_mean"] == said["return_mean"]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_it_goes_on_to_the_same_bits(whole, tmp_path):
    """Ctrl-C, or the process is killed, in each stage: the same command goes on."""
    config, uninterrupted, _ = whole
    command = ("pipeline", "--config", config, "--run", tmp_path / "run")
    for number, when in [(signal.SIGINT, "iteration 3/12"), (signal.SIGKILL, "iteration 9/12"),
                         (signal.SIGKILL, "stage student"), (signal.SIGINT, "iteration 2/6"),
                         (signal.SIGKILL, "iteration 5/6"), (signal.SIGKILL, "stage evaluation"),
                         (signal.SIGINT, "the teacher's return: .* over 50"), (signal.SIGKILL, "stage report")]:
        status = interrupt(number, when, *command)
        assert status == (130 if number == signal.SIGINT else -signal.SIGKILL), when
        state = json.loads((tmp_path / "run/pipeline.json").read_text())
        assert not all(stage["done"] for stage in state["stages"])
    said = run_json(*command)
    assert said["finished"]
    assert bits(tmp_path / "run") == bits(uninterrupted)
    # Nothing partial is left behind.
    assert not [path for path in (tmp_path / "run").rglob("*") if ".partial" in path.name]
    state = json.loads((tmp_path / "run/pipeline.json").read_text())
    assert len(state["calls"]) == 9
    page = (tmp_path / "run/report.html").read_text()
    assert page.count(f"--run {tmp_path}/run") >= 9, "the page has every command"


def test_interrupted_says_how_to_go_on(whole, tmp_path):
    config = whole[0]
    process = subprocess.Popen([os.path.abspath(PROGRAM), "pipeline", "--config", config, "--json"], cwd=tmp_path,
                               text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in process.stderr:
        if "iteration 2/12" in line:
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate()
    assert process.returncode == 130
    said = json.loads(out)
    assert said["interrupted"] and not said["finished"] and said["report"] is None and said["return_mean"] is None
    assert [stage["done"] for stage in said["stages"]] == [False] * 5
    assert said["run"] == "runs/small-1"
    assert f"`stampede pipeline --config {config} --run runs/small-1` goes on" in err
    # Without --run, the same command finds the folder that it began.
    said = run_json("pipeline", "--config", config, cwd=tmp_path)
    assert said["run"] == "runs/small-1" and said["finished"]
    assert run_json("pipeline", "--config", config, cwd=tmp_path)["run"] == "runs/small-1"
    assert bits(tmp_path / "runs/small-1") == bits(whole[1])
    # With another seed it is another pipeline.
    other = run_json("pipeline", "--config", config, "--seed", 5, cwd=tmp_path)
    assert other["run"] == "runs/small-2" and other["return_mean"] != said["return_mean"]
    for who in ("teacher", "student"):
        assert re.search(r"^seed = 5\b", (tmp_path / "runs/small-2" / who / "config.toml").read_text(), re.M)
    assert run_json("pipeline", "--config", config, "--seed", 5, cwd=tmp_path)["run"] == "runs/small-2"
    again = run_json("pipeline", "--config", config, "--force", "--set", "teacher.train.iterations=1", "--set",
                     "student.train.iterations=1", "--set", "evaluate.episodes=2", "--set", "report.film=none",
                     cwd=tmp_path)
    assert again["run"] == "runs/small-3"
    assert not list((tmp_path / "runs/small-3").glob("film*"))
    assert json.loads((tmp_path / "runs/small-3/evaluation.json").read_text())["student"]["episodes"] == 2


def test_a_folder_that_was_begun_otherwise_is_refused(whole, tmp_path):
    config, folder, _ = whole
    run_in = ("--run", folder)
    changed = write(tmp_path, CONFIG.replace("iterations = 6", "iterations = 7"))
    line = refused("pipeline", "--config", changed, *run_in)
    assert "student.train.iterations differs from what" in line and "--force" in line and "--run" in line
    line = refused("pipeline", "--config", config, *run_in, "--seed", 4)
    assert "was begun with no --seed, not with --seed 4" in line
    line = refused("pipeline", "--config", config, *run_in, "--set", "evaluate.episodes=3")
    assert "was begun with no --set" in line
    # Comments and order are no change.
    same = write(tmp_path, "# a comment\n" + CONFIG, "other.toml")
    assert run_json("pipeline", "--config", same, *run_in)["finished"]
    # A run is no pipeline, and its folder stays what it is.
    line = refused("pipeline", "--config", config, "--run", folder / "teacher", "--force")
    assert "holds a run of `stampede train`" in line
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/report.html").write_text("mine")
    assert "is in the way" in refused("pipeline", "--config", config, "--run", tmp_path / "mine")
    assert sorted(path.name for path in (tmp_path / "mine").iterdir() if path.name[0] != ".") == ["report.html"]
    (tmp_path / "mine/pipeline.json").write_text("{}")
    assert "is not what a pipeline writes" in refused("pipeline", "--config", config, "--run", tmp_path / "mine")


def test_force_begins_anew_and_missing_parts_are_made_again(whole, tmp_path):
    config, uninterrupted, _ = whole
    folder = tmp_path / "run"
    shutil.copytree(uninterrupted, folder)
    command = ("pipeline", "--config", config, "--run", folder)
    # Deleted: made again, with all that follows from it.
    (folder / "evaluation.json").unlink()
    before = (folder / "student/policy.onnx").stat().st_mtime_ns
    assert run_json(*command)["finished"]
    assert (folder / "student/policy.onnx").stat().st_mtime_ns == before
    shutil.rmtree(folder / "student")
    assert run_json(*command)["finished"]
    assert bits(folder) == bits(uninterrupted)
    shutil.rmtree(folder / "teacher")
    assert "the teacher's run is gone" in refused(*command)
    assert run_json(*command, "--force")["finished"]
    assert bits(folder) == bits(uninterrupted)
    assert len(json.loads((folder / "pipeline.json").read_text())["calls"]) == 1


class Page(HTMLParser):
    """What a page consists of; unbalanced tags are an error."""

    VOID = {"meta", "img", "br", "hr", "link", "input", "path", "circle"}

    def __init__(self, text):
        super().__init__()
        self.open, self.sections, self.links, self.headings, self.tags = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "srcset", "data", "poster", "action", "xlink:href"):
                self.links.append(value)
            if tag == "section" and name == "id":
                self.sections.append(value)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, text):
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(text)


def test_the_page_stands_alone(whole):
    _, folder, _ = whole
    text = (folder / "report.html").read_text()
    page = Page(text)
    assert page.sections == ["results", "film", "sight", "training", "making", "configuration"]
    assert page.headings[0] == "a <small> pendulum", "escaped"
    assert "script" not in page.tags and "link" not in page.tags and "@import" not in text and "url(" not in text
    assert page.links and all(link.startswith("data:") for link in page.links)
    kinds = [link.split(";")[0] for link in page.links]
    assert kinds.count("data:image/gif") == 1 and kinds.count("data:image/png") == 8
    decoded = [base64.b64decode(link.split(",")[1], validate=True) for link in page.links]
    assert decoded[kinds.index("data:image/gif")] == (folder / "film.gif").read_bytes()
    pictures = [d for k, d in zip(kinds, decoded) if k == "data:image/png"]
    assert all(d[:4] == b"\x89PNG" and int.from_bytes(d[16:20], "big") == 16 for d in pictures), "16 pixels wide"
    assert page.tags.count("svg") >= 3, "curves of teacher and student"
    state = json.loads((folder / "pipeline.json").read_text())
    for what in (state["calls"][0]["commit"], state["calls"][0]["machine"]["cpu"], "stampede eval --run",
                 "validate_every = 2", "the teacher's actions, mean"):
        assert what in html.unescape(text), what


def test_a_walking_pipeline_tells_of_obstacles(tmp_path):
    """A few iterations only: what the page has of walkers."""
    config = write(tmp_path, """
[teacher]
task = "go2-rough"
[teacher.train]
iterations = 1
num_envs = 32
horizon = 8
[teacher.run]
eval_episodes = 4
[student]
task = "go2-blind"
[student.train]
iterations = 1
num_envs = 32
horizon = 8
[student.run]
eval_episodes = 4
validation_episodes = 4
[evaluate]
episodes = 120
[report]
seconds = 0.1
width = 64
height = 48
""")
    # Tiles that are small enough to be crossed in four seconds.
    ground = ['terrain.kinds=["rough", "stairs-up"]', "terrain.levels=3", "terrain.columns=4", "terrain.tile=4",
              "control.episode=4"]
    settings = [word for who in ("teacher", "student") for key in ground for word in ("--set", f"{who}.{key}")]
    said = run_json("pipeline", "--config", config, "--run", tmp_path / "run", *settings)
    evaluation = json.loads((tmp_path / "run/evaluation.json").read_text())
    for who in ("teacher", "student"):
        kinds = [(entry["kind"], entry["level"]) for entry in evaluation[who]["terrain"]]
        assert kinds == [(kind, level) for kind in ("rough", "stairs-up") for level in range(3)]
        assert evaluation[who]["constraints"]["base_contact"]["kind"] == "hard"
    page = Page(text := (tmp_path / "run/report.html").read_text())
    assert page.sections == ["results", "obstacles", "film", "training", "constraints", "making", "configuration"]
    assert all(link.startswith("data:") for link in page.links)
    assert "rough: crossed [%] over size [m]" in text and "tracking error, velocity" in text
    # Where robots cannot be drawn, the page says so instead.
    films = sorted(path.name for path in (tmp_path / "run").glob("film*"))
    assert films == ["film-rough.gif", "film-stairs-up.gif"] or "no film: " in text
    assert said["finished"]


def test_what_is_refused(tmp_path):
    def because(text, *more):
        write(tmp_path, text, "bad.toml")
        line = refused("pipeline", "--config", "bad.toml", *more, cwd=tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.toml"], "something was left behind"
        return line

    assert "pipeline needs --config FILE" in refused("pipeline", cwd=tmp_path)
    assert "missing.toml" in refused("pipeline", "--config", "missing.toml", cwd=tmp_path)
    assert "bad.toml:1: not valid TOML" in because("teacher = [")
    assert "has no table [student]" in because('[teacher]\ntask = "pendulum"\n')
    assert "bad.toml:1: teacher must be a table" in because('teacher = 3\n')
    assert "bad.toml:3: [student] does not say what is simulated" in because(
        '[teacher]\ntask = "pendulum"\n[student]\n')
    assert "bad.toml:2: unknown task 'pendulun'; did you mean 'pendulum'?" in because(
        CONFIG.strip().replace('"pendulum"', '"pendulun"'))
    line = because(CONFIG.replace("iterations = 6", "iteration = 6"))
    assert re.search(r"bad.toml:\d+: unknown key 'train.iteration'; did you mean 'train.iterations'", line)
    assert "train.iterations = \"6\" is of type string" in because(CONFIG.replace("iterations = 6", 'iterations = "6"'))
    assert "unknown key 'seed'; --seed sets that of both runs" in because("seed = 3\n" + CONFIG)
    assert "unknown key 'evaluation'" in because(CONFIG.replace("[evaluate]", "[evaluation]"))
    assert "unknown key 'evaluate.episode'; did you mean 'episodes'?" in because(
        CONFIG.replace("episodes = 50", "episode = 50"))
    assert "evaluate.episodes = 0 is out of range" in because(CONFIG.replace("episodes = 50", "episodes = 0"))
    assert "evaluate.episodes = 2.5 must be a whole number" in because(
        CONFIG.replace("episodes = 50", "episodes = 2.5"))
    assert 'report.film = "avi" is not known' in because(CONFIG, "--set", "report.film=avi")
    assert "report.seconds = -1 is out of range" in because(CONFIG, "--set", "report.seconds=-1")
    assert "--set: unknown key 'train.iteration'" in because(CONFIG, "--set", "student.train.iteration=3")
    assert "--set: unknown key 'pupil'" in because(CONFIG, "--set", "pupil.train.iterations=3")
    assert '--seed: seed = "none" is of type string' in because(CONFIG, "--seed", "none")
    assert '[teacher] algo = "bc" teaches a student' in because(CONFIG, "--set", "teacher.algo=bc")
    assert '[student] algo = "ppo" learns from no teacher' in because(CONFIG, "--set", "student.algo=ppo")
    # A student that cannot learn from this teacher: known before the teacher is trained, and nothing is written.
    assert "is of another kind" in because(CONFIG, "--set", "student.task=cartpole-pixels")
    line = because(CONFIG, "--set", "student.environment.max_torque=6")
    assert "bad.toml: [teacher]: to the teacher the action 'torque' is 0 + 2 x" in line
    assert "convolution 2 has a kernel of 3 x 3" in because(CONFIG, "--set", "student.network.strides=[8, 2]")


def test_the_example_is_read():
    """configs/: each file's tables name tasks and settings that there are."""
    folder = Path(__file__).resolve().parents[2] / "configs"
    for file in sorted(folder.glob("*.toml")):
        # Refused for what follows on the command line, and for nothing in the file.
        assert "evaluate.episodes = 0 is out of range" in refused("pipeline", "--config", file, "--set",
                                                                  "evaluate.episodes=0"), file
