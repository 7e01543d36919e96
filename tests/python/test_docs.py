"""The pages: the site builds without a warning, and every command on them runs, with less of everything."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
from program import PROGRAM
from small_dog import write_dog

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ["README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))]
# Installs and builds, for hours; measures how busy neighbours slow a training, which bench_busy_test does; shows a robot
# until it is stopped, which test_package_view.py does.
NOT_HERE = ("scripts/quickstart", "scripts/test", "scripts/setup", "bench busy", "stampede.view", "FILE")

SHORT = {
    "train": "--iterations 1 --num-envs 64 --set train.horizon=8 --set run.eval_episodes=4",
    "distill": "--iterations 1 --num-envs 64 --set run.validate_every=0 --set run.eval_episodes=4",
    "eval": "--episodes 4",
    "play": "--seconds 0.2 --width 64 --height 48",
    "bench env": "--seconds 0.05 --num-envs 64",
    "bench train": "--seconds 0.05 --num-envs 64",
    "bench physics": "--num-envs 64 --repetitions 1",
    "bench robustness": "--num-envs 64 --steps 20",
    "pipeline": "--set teacher.train.iterations=1 --set teacher.train.num_envs=64 --set student.train.iterations=1 "
                "--set student.train.num_envs=64 --set evaluate.episodes=4 --set student.run.validate_every=0 "
                "--set teacher.run.eval_episodes=4 --set student.run.eval_episodes=4 --set report.film=none",
}
WALKS = "--set control.episode=0.5"


def commands_of(page):
    """The commands in a page's code blocks, in order, without what is explained behind them."""
    found = []
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL):
        if language not in ("", "bash"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            if re.match(r"(build/release/)?stampede |python (docs/|-m )|\.venv/bin/python |scripts/", line):
                found.append(re.sub(r"\s+#.*", "", line).strip())
    return [command for command in found if not any(word in command for word in NOT_HERE)]


def shortened(command):
    """The command's words, as they are run here."""
    words = shlex.split(command.replace("$SLURM_ARRAY_TASK_ID", "1"))
    if words[0] in ("python", ".venv/bin/python"):
        words = [sys.executable, str(ROOT / words[1]), *words[2:]]
        if words[1].endswith("many-runs"):
            flags = [] if "--" in words else ["--"]
            words += ["--seeds", "2"] if flags and "--seeds" not in words else []
            return [*words, *flags, *"--iterations 2 --num-envs 64 --set train.horizon=200 --set run.eval_episodes=4".split()]
        return [*words, "0.2"]
    name = " ".join(words[1:3]) if words[1] == "bench" else words[1]
    words[0] = os.path.abspath(PROGRAM)
    if "--resume" in words:
        return words
    if "--episodes" in words:
        words[words.index("--episodes") + 1] = "4"
    elif name == "record":
        words += ["--episodes", "4"]
    words += [] if "--width" in words else SHORT.get(name, "").split()
    if name in ("train", "distill") and re.search(r"--task (go2|solo12|mydog)", command):
        words += WALKS.split()
    if name == "distill" and "--finetune" in words:
        words[words.index("--finetune") + 1] = "1"
    return words


@pytest.fixture
def folder(tmp_path):
    """What a reader of the pages has: the repository's files and a robot of their own."""
    for name in ("configs", "policies", "envs", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "docs").mkdir()
    write_dog(tmp_path)
    (tmp_path / "dog.xml").rename(tmp_path / "mydog.xml")
    (tmp_path / "mydog.urdf").write_text((tmp_path / "mydog.xml").read_text())
    (tmp_path / "mydog.toml").write_text('extends = "legged-flat"\n[control]\nrobot = "mydog.xml"\n')
    (tmp_path / "my.toml").write_text("[train]\nhorizon = 16\n")
    return tmp_path


# What a page takes from the pages before it.
BEFORE = {
    "docs/cameras.md": ["stampede train --task go2-parkour", "stampede distill --teacher runs/go2-parkour-1 --task go2-parkour-depth"],
    "docs/data_sets.md": ["stampede train --task go2-flat"],
    "docs/deploy.md": ["stampede train --task go2-flat"],
}


@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)])
def test_every_command_runs(page, folder):
    for command in [*BEFORE.get(page, []), *commands_of(page)]:
        for made in ("mydog.xml",):  # which a reader has not got yet
            if f"--out {made}" in command:
                (folder / made).unlink()
        process = subprocess.run(shortened(command), cwd=folder, capture_output=True, text=True, timeout=600,
                                 env={**os.environ, "STAMPEDE_PROGRAM": os.path.abspath(PROGRAM)})
        assert process.returncode == 0, f"{page}: {command}\n{shortened(command)}\n{process.stderr}"


def test_the_task_on_your_robots_page_is_read(folder):
    [text] = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/your_robot.md").read_text(), re.DOTALL)
    (folder / "mydog.toml").write_text(re.sub(r"feet = .*", 'feet = ["lf_foot", "rf_foot", "lh_foot", "rh_foot"]', text))
    said = subprocess.run([os.path.abspath(PROGRAM), "list", "--settings", "mydog.toml"], cwd=folder, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert "[constraints.joint_torque]" in said.stdout and "limit = 18.0" in said.stdout
    shortest = subprocess.run(shortened("stampede train --task mydog.toml"), cwd=folder, capture_output=True, text=True)
    assert shortest.returncode == 0, shortest.stderr


def test_the_site_builds_without_a_warning(tmp_path):
    site = tmp_path / "site"
    process = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", ROOT / "docs/site/mkdocs.yml", "-d", site],
        capture_output=True, text=True, env={**os.environ, "STAMPEDE_PROGRAM": os.path.abspath(PROGRAM)}, check=False)
    assert process.returncode == 0, process.stderr
    for page in PAGES:
        assert (site / pathlib.Path(page.replace("README", "index")).name.replace(".md", ".html")).exists(), page
    settings = (site / "settings.html").read_text()
    for key in ("num_envs", "learning_rate", "gravity", "friction", "huber_threshold", "half_width"):
        assert f"<code>{key}</code>" in settings, key
    assert "host/task/legged_settings.hpp" in (site / "source/host/task/legged_settings.hpp.html").read_text()
    assert 'src="walk.gif"' in (site / "index.html").read_text()
    package = (ROOT / "python/stampede/__init__.py").read_text()
    public = set(re.findall(r'^    "(\w+)",$', package, re.MULTILINE)) - {"Error", "InputError"}
    python = (site / "reference_python.html").read_text()
    assert {"Simulation", "VectorEnv", "train", "tasks"} <= public
    for name in public:
        assert f'id="{name.lower()}"' in python, name
    assert "mass_matrix" in python and "_handle" not in python
    cpp = (site / "reference_cpp.html").read_text()
    for name in ("make_engine", "Engine", "RobotModel", "VectorEnvironment", "Error"):
        assert f'id="{name.lower()}"' in cpp, name


HEADER = """#pragma once
/// \\file Of a test.

namespace stampede {

struct Elsewhere;

/// Counts [env] things.
class Counter : public Base {
 public:
  explicit Counter(int from) : Base(from), at_(from) { start(); }
  /// The next one.
  int next() const {
    if (at_ > 2) { return 0; }
    return at_;
  }
  std::vector<int> list{1, 2};  ///< of all

 private:
  int at_;
};

/// Twice.
template <class T>
inline T twice(T x) {
  return 2 * x;
}

inline constexpr int kMost = 3;  ///< of them

}  // namespace stampede
"""


def test_a_reference_has_what_its_readers_can_use():
    sys.path.insert(0, str(ROOT / "docs/site"))
    import reference

    shown = [(reference.name_of(code), doc, reference.without_bodies(code)) for doc, code in reference.entities(HEADER)]
    assert shown == [
        ("Counter", "Counts [env] things.", "class Counter : public Base {\n public:\n  explicit Counter(int from);\n"
         "  /// The next one.\n  int next() const;\n  std::vector<int> list{1, 2};  ///< of all\n};"),
        ("twice", "Twice.", "template <class T>\ninline T twice(T x);"),
        ("kMost", "", "inline constexpr int kMost = 3;  ///< of them"),
    ]
    assert reference.plain("of [env] *all* `a_b[i]` <x>") == r"of \[env\] \*all\* `a_b[i]` \<x\>"
