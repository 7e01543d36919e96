"""What the toolkit's tools say of the CUDA object with the physics kernels; `cuda-report` and `gpu-model` use it.

cuobjdump is part of the toolkit and, by itself, of PyPI's nvidia-cuda-cuobjdump (`scripts/setup --tests` installs that
into .venv).
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
OBJECT = pathlib.Path("cuda/CMakeFiles/stampede_cuda_objects.dir/module/simulation.cu.o")  # of a build's folder
THREADS = 128  # a block, cuda/launch.cuh
SEARCHED = os.pathsep.join([
    os.environ["PATH"], *(f"{os.environ[name]}/bin" for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)),
    "/usr/local/cuda/bin", *map(str, ROOT.glob(".venv/lib/python3*/site-packages/nvidia/cu*/bin"))])


def fail(message):
    """Ends the program with one line and status 2."""
    print(f"{pathlib.Path(sys.argv[0]).name}: error: {message}", file=sys.stderr)
    sys.exit(2)


def tool(*arguments, cwd=None, all_that_is_said=False):
    """What a program prints, in that folder; with what it says on stderr, if that is wanted."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=cwd, env=os.environ | {"PATH": SEARCHED})
    except FileNotFoundError:
        fail(f"{arguments[0]} is not there; the CUDA toolkit has nvcc, `scripts/setup --tests` installs cuobjdump")
    except OSError as error:
        fail(f"{arguments[0]}: {error.strerror}")
    if done.returncode != 0:
        ended = f"ended by signal {-done.returncode}" if done.returncode < 0 else f"ended with status {done.returncode}"
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        fail(f"{' '.join(map(str, arguments))}: {said[-1] if said else ended}")
    return done.stdout + (done.stderr if all_that_is_said else "")


def commit():
    """The working tree's, with -dirty where it differs."""
    return tool("git", "-C", ROOT, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*").strip()


def nvcc():
    """Where nvcc is, looked for as find_nvcc of scripts/lib.sh does; None where there is none."""
    named = os.environ.get("CUDACXX")
    return (shutil.which(named) if named else None) or shutil.which("nvcc", path=SEARCHED)


def compiler():
    """nvcc's version."""
    found = re.search(r"release ([\d.]+)", tool(nvcc() or "nvcc", "--version"))
    return found[1] if found else fail("nvcc --version names no release")


def kernel_name(mangled):
    """"4 x 3, level" of a kernel that steps robots; None of the others."""
    found = re.search(r"StepPhysicsINS_10RobotShapeILi(\d)ELi(\d)EEENS_\d+(Flat|Rough)Ground", mangled)
    return found and (f"{found[1]} x {found[2]}", {"Flat": "level", "Rough": "any"}[found[3]])


def resources(path):
    """Kernel and architecture -> registers, stack, shared and local bytes as the compiler says."""
    found, arch, name = {}, "", None
    for line in tool("cuobjdump", "-res-usage", path).splitlines():
        if match := re.search(r"arch = (sm_\d+)", line):
            arch = match[1]
        if match := re.search(r"Function (\S+?):", line):
            name = kernel_name(match[1])
        if name and (match := re.search(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)", line)):
            found[name, arch] = tuple(map(int, match.groups()))
    return found


def mangled_names(path, arch):
    """Kernel -> its name in the object."""
    listed = tool("cuobjdump", "-res-usage", "-arch", arch, path)
    return {name: mangled for mangled in re.findall(r"Function (\S+?):", listed) if (name := kernel_name(mangled))}


def occupancy(registers):
    """Warps a multiprocessor of compute capability 9.0 holds, of 64: registers are given out in pieces of 256 a warp."""
    warp = -(-registers * 32 // 256) * 256
    warps = 65536 // warp
    return min(64, warps // (THREADS // 32) * (THREADS // 32))
