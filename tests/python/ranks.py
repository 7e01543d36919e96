"""Starts ranks by mpirun, and compares what they have learnt."""

import os
import shutil
import signal
import subprocess
import time

import numpy
import program
from safetensors.numpy import load_file

PROGRAM = os.path.abspath(program.PROGRAM)
MODULES = os.path.join(os.path.dirname(PROGRAM), "modules")
NO_RANKS = shutil.which("mpirun") is None or not os.path.exists(os.path.join(MODULES, "libstampede-mpi.so"))

# Tests run as root, and on fewer cores than there are ranks.
LAUNCHER = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "OMPI_MCA_odls_base_sigkill_timeout": "4",  # a busy rank needs longer than the usual second; mpirun waits it out
            "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none"}


def start(programs, cwd, env=None, before=()):
    """mpirun with `programs`, a list of (number of ranks, arguments); `before`: what the program is started by."""
    command = ["mpirun"]
    for ranks, arguments in programs:
        command += [":"] if len(command) > 1 else []
        # Each rank leaves its exit status behind, which mpirun's signal to those who are late must not prevent.
        command += ["-n", str(ranks), "sh", "-c", 'rm -f status.$OMPI_COMM_WORLD_RANK; trap "" TERM; "$@"; s=$?; '
                    "echo $s > status.$OMPI_COMM_WORLD_RANK; exit $s", "sh", *before, PROGRAM, *map(str, arguments)]
    return subprocess.Popen(command, cwd=cwd, env={**os.environ, **LAUNCHER, **(env or {})}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process, timeout=120):
    try:
        process.out, process.err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.terminate()
        raise
    return process


def run(ranks, *arguments, cwd, env=None):
    return finish(start([(ranks, arguments)], cwd, env))


def errors(process):
    return [line for line in process.err.splitlines() if line.startswith("stampede: error: ")]


def newest(folder):
    return load_file(sorted((folder / "checkpoint").glob("*.safetensors"))[-1])


def statuses(folder, ranks):
    return [int((folder / f"status.{rank}").read_text()) for rank in range(ranks)]


def assert_alike(one, other, rtol=1e-3):
    """What was learnt: weights, optimiser, normalisers."""
    compared = 0
    for name, values in one.items():
        # Environments lie side by side in one process, and rank by rank in several; Adam's second moments, and what
        # divides by their roots, are compared by the weights that they lead to.
        if not name.startswith(("actor.", "critic.", "log_std", "observation_mean", "observation_variance")):
            continue
        compared += 1
        scale = float(numpy.abs(values).max())
        numpy.testing.assert_allclose(other[name], values, rtol=rtol, atol=rtol * scale, err_msg=name)
    assert compared >= 9, sorted(one)


def assert_same(one, other):
    assert sorted(one) == sorted(other)
    for name, values in one.items():
        assert values.tobytes() == other[name].tobytes(), name


def process_of(launcher, rank):
    """The id of the program that is a rank of that mpirun."""
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                environment = file.read().split(b"\0")
            if (f"OMPI_COMM_WORLD_RANK={rank}".encode() in environment and os.path.realpath(
                    f"/proc/{entry}/exe") == os.path.realpath(PROGRAM)
                    and f"STAMPEDE_TEST={launcher}".encode() in environment):
                return int(entry)
        except (OSError, ValueError):
            continue
    raise AssertionError(f"rank {rank} does not run")


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def assert_all_stop_and_save(start_long, tmp_path):
    """Where the second of two ranks is asked to stop. `start_long(ranks, folder, mark)` begins a training that goes on for long."""
    folder, mark = tmp_path / "run", f"stopped-{os.getpid()}"
    process = start_long(2, folder, mark)
    os.kill(process_of(mark, 1), signal.SIGTERM)
    finish(process)
    assert "stampede: interrupted and saved" in process.err and not errors(process), process.err
    assert statuses(tmp_path, 2) == [130, 130]
    assert "rank1/environments" in newest(folder)
