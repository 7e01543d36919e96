"""The Python package as a whole: what it imports, what it is called, its stubs."""

import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

stampede = pytest.importorskip("stampede", reason="built without STAMPEDE_PYTHON_PACKAGE")
ROOT = pathlib.Path(__file__).resolve().parents[2]


def python(code, **options):
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **options)
    assert process.returncode == 0, process.stderr
    return process.stdout.split()


def test_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cmake = re.search(r"project\(stampede VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert stampede.__version__ == project["version"] == cmake


def test_imports_nothing_that_takes_long(tmp_path):
    code = "import sys, stampede; print(*sorted(m for m in sys.modules if '.' not in m))"
    modules = python(code, cwd=tmp_path)  # from any folder
    assert "stampede" in modules and "numpy" in modules
    assert not {"gymnasium", "torch", "mujoco", "onnxruntime", "jax"} & set(modules)


@pytest.mark.parametrize("imports", ["import gymnasium, stampede", "import stampede, gymnasium",
                                     "import gymnasium; gymnasium.make('stampede:stampede/pendulum')"])
def test_gymnasium_knows_the_tasks(imports):
    code = f"{imports}; print(*[name for name in gymnasium.registry if name.startswith('stampede/')])"
    assert sorted(python(code)) == sorted(f"stampede/{task}" for task in stampede.tasks())
    assert {"pendulum", "go2-flat"} <= set(stampede.tasks())
    assert "go2" in stampede.robots()


def test_everything_public_has_a_docstring():
    lacking = []
    for name in stampede.__all__:
        thing = getattr(stampede, name)
        if not thing.__doc__:
            lacking.append(name)
        if not isinstance(thing, type) or issubclass(thing, Exception):
            continue
        lacking += [f"{name}.{member}" for member, value in vars(thing).items()
                    if not member.startswith("_") and (callable(value) or isinstance(value, property))
                    and not value.__doc__]
    assert not lacking, lacking


def test_the_stub_is_that_of_the_extension(tmp_path):
    made = tmp_path / "_core.pyi"
    command = [sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "stampede._core", "-o", made]
    subprocess.run(command, check=True)
    kept = ROOT / "python/stampede/_core.pyi"
    assert made.read_text() == kept.read_text(), f"{kept} is old; {' '.join(map(str, command[:-1]))} {kept} makes it"
