"""Shared by the tests: one small training run."""

import program
import pytest


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A finished run of the pendulum: (its folder, what `train --json` said)."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    said = program.run_json("train", "--task", "pendulum", "--iterations", 12, "--num-envs", 1024,
                            "--run", folder)
    return folder, said
