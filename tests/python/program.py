"""Runs the built program; its path comes from STAMPEDE_PROGRAM."""

import json
import os
import subprocess

import pytest

PROGRAM = os.environ.get("STAMPEDE_PROGRAM", "build/release/stampede")


def run(*arguments, cwd=None, env=None, timeout=300):
    """The finished process, with stdout and stderr as text."""
    return subprocess.run(
        [os.path.abspath(PROGRAM), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def run_json(*arguments, cwd=None, env=None):
    """The one JSON object that the program prints with --json."""
    process = run(*arguments, "--json", cwd=cwd, env=env)
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout)
    for key in ("command", "version", "device", "instruction_set", "threads", "seconds_total"):
        assert key in result, key
    return result


def refused(*arguments, cwd=None, env=None, status=2):
    """The one line with which the program refuses; what it says of the device and the robot before does not count."""
    process = run(*arguments, cwd=cwd, env=env)
    assert process.returncode == status, (process.returncode, process.stderr)
    assert process.stdout == "", process.stdout
    before = ("stampede: running on the CPU", "stampede: parts of the robot pass through each other")
    lines = [line for line in process.stderr.splitlines() if not line.startswith(before)]
    assert len(lines) == 1, process.stderr
    assert lines[0].startswith("stampede: error: "), lines[0]
    return lines[0]


def line_of(call, error=ValueError):
    """The one line with which the Python package refuses a call; its InputError is a ValueError."""
    with pytest.raises(error) as raised:
        call()
    line = str(raised.value)
    assert "\n" not in line
    return line
