"""scripts/gpu-pack, and `run` of what it makes."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest
from program import PROGRAM

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
BUILD = pathlib.Path(PROGRAM).resolve().parent


def gpu_pack(*arguments, **named):
    return subprocess.run([SCRIPTS / "gpu-pack", *map(str, arguments)], capture_output=True, text=True, timeout=300,
                          check=False, **named)


@pytest.mark.parametrize("arguments, says", [
    (["--fast"], "unknown argument '--fast'"),
    (["--build"], "--build needs a folder"),
    (["one", "two"], "one folder for the pack, not 'one' and 'two'"),
    (["--build", "nowhere"], "--build nowhere: is no build folder"),
    (["."], "is no pack: name another folder"),
])
def test_gpu_pack_refuses_in_one_line(arguments, says, tmp_path):
    process = gpu_pack(*arguments, cwd=tmp_path)
    assert process.returncode == 2 and process.stdout == "", process.stderr
    assert process.stderr.startswith("gpu-pack: error: ") and process.stderr.count("\n") == 1, process.stderr
    assert says in process.stderr and list(tmp_path.iterdir()) == [], process.stderr


def test_a_build_that_lacks_something_is_no_pack(tmp_path):
    (tmp_path / "build").mkdir()
    (tmp_path / "build/CMakeCache.txt").touch()
    (tmp_path / "build/stampede").touch()
    process = gpu_pack("pack", "--build", "build", cwd=tmp_path)
    assert process.returncode == 2 and process.stderr.count("\n") == 1, process.stderr
    assert "has no modules/libstampede-cuda.so" in process.stderr and not (tmp_path / "pack").exists()


@pytest.mark.skipif(not all((BUILD / file).is_file() for file in ("CMakeCache.txt", "modules/libstampede-cuda.so",
                                                                  "tests/cuda_tests")),
                    reason="a build without CUDA or its tests")
def test_a_pack_runs_from_its_own_folder(tmp_path):
    pack = tmp_path / "a pack"
    process = gpu_pack(pack, "--build", BUILD)
    # Of all instruction sets and three GPUs, it may be too large to carry; then nothing is left of it.
    if process.returncode != 0:
        assert "MiB, and must have less than 60" in process.stderr, process.stderr
        assert list(tmp_path.iterdir()) == []
        return
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    def run(*words):
        return subprocess.run([pack / "run", *words], capture_output=True, text=True, timeout=300, check=False,
                              env=clean, cwd=tmp_path)

    assert sum(file.stat().st_size for file in pack.rglob("*") if file.is_file()) < 60 << 20
    assert not [file for file in pack.rglob("*") if file.is_symlink()]
    second = "three-blocks/libstampede-cuda.so"
    left_out = "is left out, and not compared" in process.stderr
    assert (pack / "lib/stampede" / second).exists() == ((BUILD / "modules" / second).exists() and not left_out)
    said = run("stampede", "train", "--task", "go2-flat", "--iterations", "1", "--num-envs", "64", "--device", "cpu",
               "--set", "algorithm.minibatch=768", "--set", "run.eval_episodes=4", "--json")
    assert said.returncode == 0 and json.loads(said.stdout)["finished"], said.stderr
    assert "cuda" in {device["device"] for device in json.loads(run("stampede", "info", "--json").stdout)["devices"]}
    # Its libraries are its own, but for those that every system has, and CUDA's.
    loaded = subprocess.run(["ldd", pack / "bin/stampede"], capture_output=True, text=True, check=True,
                            env={**clean, "LD_LIBRARY_PATH": str(pack / "lib")}).stdout
    assert f"=> {pack}/lib/libmujoco.so" in loaded and f"=> {pack}/lib/libfmt.so" in loaded, loaded
    report = tmp_path / "dry.md"
    process = subprocess.run([pack / "scripts/gpu-check", "--dry-run", "--budget", "20", report], capture_output=True,
                             text=True, timeout=300, check=False, env=clean, cwd=tmp_path)
    assert process.returncode == 0, process.stdout + process.stderr
    steps = json.loads(report.with_suffix(".json").read_text())["steps"]
    assert [step["state"] for step in steps if step["group"] == "Parity"] == ["ok"]
    # Another one takes its place.
    assert gpu_pack(pack, "--build", BUILD).returncode == 0


@pytest.fixture
def small_pack(tmp_path):
    """A pack whose one program prints where libraries are looked for."""
    pack = tmp_path / "pack"
    (pack / "bin").mkdir(parents=True)
    (pack / "bin/show").write_text('#!/bin/sh\necho "$LD_LIBRARY_PATH|$*"\n')
    (pack / "bin/show").chmod(0o755)
    (pack / "cuda-libraries").write_text("libfirst-of-tests.so.13\nlibsecond-of-tests.so.13\n")
    shutil.copy(SCRIPTS / "gpu-run", pack / "run")
    return pack


def run_small(pack, *words, **environment):
    return subprocess.run([pack / "run", *words], capture_output=True, text=True, check=False,
                          env={"PATH": os.environ["PATH"], **environment})


def test_run_finds_cudas_libraries_in_wheels(small_pack, tmp_path):
    wheels = tmp_path / "venv/lib/python3.12/site-packages/nvidia/cu13/lib"
    wheels.mkdir(parents=True)
    (wheels / "libfirst-of-tests.so.13").touch()
    given = tmp_path / "given"
    given.mkdir()
    (given / "libsecond-of-tests.so.13").touch()
    plain = run_small(small_pack, "show", "a b")
    assert (plain.returncode, plain.stdout) == (0, f"{small_pack}/lib|a b\n"), plain.stderr
    found = run_small(small_pack, "show", VIRTUAL_ENV=str(tmp_path / "venv"), LD_LIBRARY_PATH=str(given))
    assert found.stdout == f"{small_pack}/lib:{given}:{wheels}|\n", found.stderr
    # Those of the python3 in use, wherever it has its packages.
    found = run_small(small_pack, "show", PYTHONPATH=str(wheels.parents[2]))
    assert found.stdout == f"{small_pack}/lib:{wheels}|\n", found.stderr


def test_run_names_the_programs_that_there_are(small_pack):
    for words in ([], ["nothing"]):
        process = run_small(small_pack, *words)
        assert process.returncode == 2 and process.stdout == ""
        assert process.stderr.startswith("run: error: ") and process.stderr.endswith("show\n"), process.stderr
