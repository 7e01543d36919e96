"""Ranks with a GPU each, which exchange numbers by NCCL: on emulated GPUs, by the emulated NCCL (tests/emulator)."""

import json
import os
import re
import signal

import pytest
from emulated import DRIVER, NO_EMULATOR, emulated
from ranks import (NO_RANKS, assert_alike, assert_all_stop_and_save, assert_same, errors, finish, newest,
                   process_of, run, start, statuses, wait_for)

pytestmark = pytest.mark.skipif(NO_EMULATOR or NO_RANKS,
                                reason="no emulated GPU was built (STAMPEDE_CUDA=EMULATED), or no mpirun, or no MPI")

SMALL = ["train", "--task", "pendulum", "--set", "train.horizon=8", "--set", "network.actor=[16]",
         "--set", "network.critic=[16]", "--set", "network.precision=fp32", "--set", "run.eval_episodes=4",
         "--set", "algorithm.epochs=2", "--threads", 1]
# Each minibatch holds all samples: in whatever order, they are the same in one process and in several.
WHOLE = ["--set", "algorithm.minibatch=1000000"]


def train(ranks, folder, *arguments, num_envs=32, device="cuda", begin=SMALL, **settings):
    """What `stampede train --json` says, by so many ranks with a GPU each."""
    process = run(ranks, *begin, "--num-envs", num_envs, "--run", folder, "--device", device, *arguments, "--json",
                  cwd=folder.parent, env=emulated(devices=ranks, **settings))
    assert process.returncode == 0, process.err
    return json.loads(process.out)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A run of two ranks, six iterations long, that keeps its checkpoints."""
    folder = tmp_path_factory.mktemp("two") / "run"
    train(2, folder, "--iterations", 6, "--set", "run.checkpoint_every=2", "--set", "run.checkpoints_kept=9",
          "--set", "algorithm.minibatch=128")
    return folder


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_learn_what_ranks_of_the_cpu_do(ranks, tmp_path):
    """They exchange the same numbers, by NCCL in the place of MPI, and add them in the same order. Each rank's own sums
    are rounded otherwise."""
    runs = {}
    for device in ("cpu", "cuda"):
        folder = tmp_path / device
        said = train(ranks, folder, "--iterations", 3, "--set", "algorithm.minibatch=128", device=device)
        assert (said["device"], said["ranks"], said["steps"]) == (device, ranks, 3 * ranks * 32 * 8)
        runs[device] = folder
    assert_alike(newest(runs["cpu"]), newest(runs["cuda"]))


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_learn_what_one_process_does(ranks, tmp_path):
    train(1, tmp_path / "one", *WHOLE, "--iterations", 3, num_envs=64)
    train(ranks, tmp_path / "several", *WHOLE, "--iterations", 3, num_envs=64 // ranks)
    assert_alike(newest(tmp_path / "one"), newest(tmp_path / "several"))


def test_walking_ranks_learn_what_ranks_of_the_cpu_do(tmp_path):
    """With what a walking task adds: constraints scaled by the largest violation of all ranks, levels of ground."""
    walking = ["train", "--task", "go2-rough", "--iterations", 3, "--set", "train.horizon=4",
               "--set", "algorithm.epochs=1", "--set", "network.actor=[16]", "--set", "network.critic=[16]",
               "--set", "network.precision=fp32", "--set", "run.eval_episodes=1", "--set", "control.episode=0.2",
               "--threads", 1]
    for device in ("cpu", "cuda"):
        train(2, tmp_path / device, num_envs=16, device=device, begin=walking)
    assert_alike(newest(tmp_path / "cpu"), newest(tmp_path / "cuda"))


@pytest.mark.parametrize("settings", [{"order": "random", "when": "random", "seed": 5}, {"when": "eager"}])
def test_two_runs_have_the_same_bits(settings, two, tmp_path):
    """In whatever order and however late the GPU works."""
    train(2, tmp_path / "run", "--iterations", 6, "--set", "run.checkpoint_every=2", "--set", "algorithm.minibatch=128",
          **settings)
    assert_same(newest(two), newest(tmp_path / "run"))


def test_a_run_goes_on_with_the_same_bits(two, tmp_path):
    folder = tmp_path / "run"
    train(2, folder, "--iterations", 6, "--set", "run.checkpoint_every=2", "--set", "algorithm.minibatch=128",
          "--stop-after", 3)
    process = run(2, "train", "--resume", folder, "--device", "cuda", "--threads", 1, cwd=tmp_path,
                  env=emulated(devices=2))
    assert process.returncode == 0, process.err
    assert_same(newest(two), newest(folder))


def start_long(ranks, folder, mark, device="cuda"):
    process = start([(ranks, [*SMALL, "--num-envs", 32, "--run", folder, "--iterations", 1000000, "--device", device,
                              "--set", "run.checkpoint_every=1"])], folder.parent,
                    {"STAMPEDE_TEST": mark, **emulated(devices=ranks)})
    wait_for(lambda: len(list((folder / "checkpoint").glob("*.safetensors"))) >= 2)
    return process


@pytest.mark.parametrize("ranks, rank", [(2, 0), (2, 1), (4, 2)])
def test_a_killed_rank_ends_the_job(ranks, rank, tmp_path):
    """NCCL does not notice: what waits on the other GPUs for that rank is ended by those who look for it."""
    folder, mark = tmp_path / "run", f"killed-on-gpu-{ranks}-{rank}-{os.getpid()}"
    process = start_long(ranks, folder, mark)
    os.kill(process_of(mark, rank), signal.SIGKILL)
    finish(process)
    assert process.returncode != 0
    lines = errors(process)
    assert len(lines) == 1, process.err
    assert re.search(rf"rank {rank} of {ranks} \(process \d+ on .*\) is gone", lines[0]), lines[0]
    assert "cuda-emulator: error" not in process.err and "warning: CUDA" not in process.err, process.err
    if rank > 0:
        assert "is saved: `stampede train --resume" in lines[0]


def test_whoever_is_asked_to_stop_all_stop_and_save(tmp_path):
    assert_all_stop_and_save(start_long, tmp_path)


@pytest.mark.parametrize("ranks, device, settings, status, parts", [
    (3, "cuda", {"devices": 2}, 2, ["rank 2 of this machine has no GPU: this process sees 2 GPUs, cuda:0 to cuda:1",
                                    "at most one process for each"]),
    (2, "cuda", {"devices": 1}, 2, ["ranks 0 and 1 both have the GPU 0000:01:00.0 of ",
                                    "start at most one process for each GPU"]),
    (2, "cuda:1", {"devices": 2}, 2, ["--device cuda:1: of 2 ranks each takes a GPU of its own",
                                      "--device cuda would be right"]),
    (2, "cuda", {"devices": 2, "nccl": 2804}, 2, ["libnccl.so.2 is NCCL 2.8; 2.9 or newer is needed"]),
    (2, "cuda", {"devices": 2, "fail": "ncclCommInitRank@1=2"}, 1, ["NCCL: unhandled system error, in comm_init_rank"]),
    (2, "cuda", {"devices": 2, "fail": "ncclGroupEnd@20=3"}, 1, ["NCCL: internal error, in group_end", "--resume"]),
    (2, "cuda", {"devices": 2, "fail": "ncclSend@20=1"}, 1, ["NCCL: unhandled cuda error, in send", "--resume"]),
    (2, "cuda", {"devices": 2, "fail": "ncclCommGetAsyncError@9=6"}, 1,
     ["NCCL: remote process exited or there was a network error, in what was enqueued"]),
])
def test_what_goes_wrong_is_one_line(ranks, device, settings, status, parts, tmp_path):
    process = run(ranks, *SMALL, "--num-envs", 32, "--iterations", 6, "--set", "run.checkpoint_every=1",
                  "--run", tmp_path / "run", "--device", device, cwd=tmp_path, env=emulated(**settings))
    lines = errors(process)
    assert len(lines) == 1, process.err
    for part in parts:
        assert part in lines[0], lines[0]
    assert statuses(tmp_path, ranks) == [status] * ranks
    if status == 2:
        assert not (tmp_path / "run").exists()


def test_without_nccl(tmp_path):
    os.symlink(os.path.join(DRIVER, "libcuda.so.1"), tmp_path / "libcuda.so.1")
    (tmp_path / "libnccl.so.2").write_text("no library")  # or one of this machine would be found
    process = run(2, *SMALL, "--num-envs", 32, "--run", tmp_path / "run", "--device", "cuda", cwd=tmp_path,
                  env={**emulated(devices=2), "LD_LIBRARY_PATH": str(tmp_path)})
    lines = errors(process)
    assert len(lines) == 1 and "libnccl.so.2 cannot be loaded; install it" in lines[0], process.err
    assert statuses(tmp_path, 2) == [2, 2]


def test_a_rank_that_sees_one_gpu_takes_that(tmp_path):
    """As launchers show each rank its own: here by the rank's number."""
    shown = 'CUDA_VISIBLE_DEVICES=$((1 - OMPI_COMM_WORLD_RANK)) exec "$0" "$@"'
    process = finish(start([(2, [*SMALL, "--num-envs", 32, "--iterations", 2, "--run", tmp_path / "run", "--device",
                                 "cuda", "--json"])], tmp_path, emulated(devices=2), before=["sh", "-c", shown]))
    assert process.returncode == 0, process.err
    assert json.loads(process.out)["ranks"] == 2
