"""What nvcc made of the physics kernels, by scripts/cuda-report: code that would be slow is noticed without a GPU.

The limits are a little above what nvcc 13.0 makes.
"""

import importlib.machinery
import importlib.util
import os
import pathlib
import shutil
import sys

import program
import pytest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import cuda_code  # noqa: E402


@pytest.fixture(scope="module")
def report():
    path = SCRIPTS / "cuda-report"
    loader = importlib.machinery.SourceFileLoader("cuda_report", str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("cuda_report", loader))
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def kernels():
    """The object with the physics kernels."""
    path = pathlib.Path(os.path.abspath(program.PROGRAM)).parent / cuda_code.OBJECT
    if not path.exists():
        pytest.skip("this build has no CUDA module")
    if shutil.which("cuobjdump", path=cuda_code.SEARCHED) is None:
        pytest.skip("cuobjdump is not installed")
    return path


def test_registers_and_local_memory_of_physics_kernels(kernels):
    found = {name: figures for (name, arch), figures in cuda_code.resources(kernels).items() if arch == "sm_90"}
    if not found:
        pytest.skip("this build has no code for sm_90")
    assert {ground for _, ground in found} == {"level", "any"}
    for (shape, ground), (registers, local, _, _) in found.items():
        assert registers <= 255
        # 12 slots of 148 bytes that lie in no faster memory, and less than half as much again for all the rest.
        assert local <= (4200 if shape == "2 x 6" else 2600), (shape, ground)
        assert cuda_code.occupancy(registers) >= 8


def test_the_second_module_has_registers_for_three_blocks(kernels):
    second = kernels.parents[2] / "stampede-cuda-three-blocks.dir/module/simulation.cu.o"
    if not second.exists():
        pytest.skip("this build has no second CUDA module (STAMPEDE_CUDA_THREE_BLOCKS)")
    first, found = cuda_code.resources(kernels), cuda_code.resources(second)
    assert found and set(found) == set(first)
    for name, (registers, _, _, _) in found.items():
        assert cuda_code.occupancy(registers) >= 12, name
        assert cuda_code.occupancy(first[name][0]) >= 8, name


def test_instructions_of_the_quadrupeds_kernel(report, kernels):
    counts = report.instructions(kernels, "sm_90")
    if not counts:
        pytest.skip("this build has no code for sm_90")
    for ground, most, local in (("level", 9500, 300), ("any", 12000, 420)):
        counted = counts["4 x 3", ground]
        assert counted["all"] <= most
        assert counted["local memory"] <= local, "contacts, or what lies beside them, are in local memory again"
        assert counted["shared memory"] > 100
        assert counted["calls"] == 0, "a division or root that is rounded by a call: reciprocal() and sqrt() are not"


def test_what_more_warps_would_cost(report, kernels):
    if shutil.which("ptxas", path=cuda_code.SEARCHED) is None:
        pytest.skip("ptxas is not installed")
    found = report.with_more_blocks(kernels)
    built = cuda_code.resources(kernels)
    if (report.QUADRUPED, "sm_90") in built:
        assert found[2][:2] == built[report.QUADRUPED, "sm_90"][:2], "two blocks are what is built"
    for blocks, (registers, local, stores, loads) in found.items():
        assert cuda_code.occupancy(registers) >= 4 * blocks
        assert local >= max(stores, 1) and loads >= 0
    assert found[2][2] < found[3][2] < found[4][2], "fewer registers, more spilled"
