"""The emulated GPU of tests/emulator, for the program."""

import os

import program

BUILD = os.path.dirname(os.path.abspath(program.PROGRAM))
DRIVER = os.path.join(BUILD, "tests", "driver")  # libcuda.so.1, libnccl.so.2
NO_EMULATOR = not os.path.exists(os.path.join(DRIVER, "libcuda.so.1"))


def emulated(**settings):
    """The environment with that GPU: `memory=40` sets CUDA_EMULATOR_MEMORY."""
    return {"LD_LIBRARY_PATH": DRIVER, **{f"CUDA_EMULATOR_{k.upper()}": str(v) for k, v in settings.items()}}
