"""Several processes (ranks) that train one policy together: on the CPU, by MPI, started by mpirun."""

import json
import os
import random
import re
import shutil
import signal
import time

import numpy
import program
import pytest
from ranks import (LAUNCHER, MODULES, NO_RANKS, assert_alike, assert_all_stop_and_save, assert_same, errors, finish,
                   newest, process_of, run, start, statuses, wait_for)

pytestmark = pytest.mark.skipif(
    NO_RANKS, reason="no mpirun, or built without MPI; scripts/setup --tests installs both")

SMALL = ["--task", "pendulum", "--set", "train.horizon=16", "--set", "network.actor=[16]",
         "--set", "network.critic=[16]", "--set", "run.eval_episodes=4", "--set", "algorithm.epochs=2",
         "--device", "cpu"]
# Each minibatch holds all samples: in whatever order, they are the same in one process and in several.
WHOLE = ["--set", "algorithm.minibatch=1000000"]


def train(ranks, folder, *arguments, num_envs=32, threads=1):
    """What `stampede train --json` says, by so many ranks."""
    process = run(ranks, "train", *SMALL, "--num-envs", num_envs, "--threads", threads, "--run", folder, *arguments,
                  "--json", cwd=folder.parent)
    assert process.returncode == 0, process.err
    return json.loads(process.out)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A run of two ranks, six iterations long, that keeps its checkpoints."""
    folder = tmp_path_factory.mktemp("two") / "run"
    said = train(2, folder, "--iterations", 6, "--set", "run.checkpoint_every=2", "--set", "run.checkpoints_kept=9",
                 "--set", "algorithm.minibatch=256")
    return folder, said


def test_ranks_learn_what_one_process_does(tmp_path):
    one = train(1, tmp_path / "one", *WHOLE, "--iterations", 3, num_envs=64)
    for ranks in (2, 4):
        folder = tmp_path / f"of{ranks}"
        said = train(ranks, folder, *WHOLE, "--iterations", 3, num_envs=64 // ranks)
        assert (said["ranks"], said["num_envs"], said["steps"]) == (ranks, 64 // ranks, one["steps"])
        assert_alike(newest(tmp_path / "one"), newest(folder))
        lines = [[json.loads(line) for line in (at / "metrics.jsonl").read_text().splitlines()]
                 for at in (tmp_path / "one", folder)]
        for alone, together in zip(*lines, strict=True):
            for name in ("policy_loss", "value_loss", "gradient_norm", "kl"):
                assert together[name] == pytest.approx(alone[name], rel=1e-2, abs=1e-5), name


def test_walking_ranks_learn_what_one_process_does(tmp_path):
    """With what a walking task adds: constraints scaled by the largest violation of all ranks, two groups of
    observations, levels of ground."""
    walking = ["train", "--task", "go2-rough", "--iterations", 2, "--set", "train.horizon=8",
               "--set", "algorithm.epochs=1", "--set", "network.actor=[16]", "--set", "network.critic=[16]",
               "--set", "run.eval_episodes=2", "--threads", 1, "--device", "cpu", *WHOLE]
    for ranks in (1, 2):
        process = run(ranks, *walking, "--num-envs", 32 // ranks, "--run", tmp_path / str(ranks), cwd=tmp_path)
        assert process.returncode == 0, process.err
    one, together = newest(tmp_path / "1"), newest(tmp_path / "2")
    maxima = [name for name in one if name.startswith("constraint")]
    assert maxima
    for name in maxima:
        numpy.testing.assert_allclose(together[name], one[name], rtol=1e-3, atol=1e-6, err_msg=name)
    assert_alike(one, together)


def test_two_runs_have_the_same_bits(two, tmp_path):
    folder, said = two
    again = train(2, tmp_path / "run", "--iterations", 6, "--set", "run.checkpoint_every=2",
                  "--set", "algorithm.minibatch=256", threads=2)
    assert_same(newest(folder), newest(tmp_path / "run"))
    assert again["return_mean"] == said["return_mean"]


def test_rank_0_writes_and_speaks(two):
    folder, said = two
    tensors = newest(folder)
    assert "rank1/environments" in tensors and "rank2/environments" not in tensors
    assert tensors["environments"].tobytes() != tensors["rank1/environments"].tobytes()
    assert (folder / "policy.onnx").exists() and (folder / "curve.png").exists()
    assert said["steps"] == 6 * 2 * 32 * 16
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 6


def cut_back(folder, to, iteration):
    """A copy of a run, as if it had been killed after the checkpoint of that iteration."""
    shutil.copytree(folder, to)
    for file in (to / "checkpoint").glob("*.safetensors"):
        if int(file.stem) > iteration:
            file.unlink()
    return to


@pytest.mark.parametrize("ranks, note", [
    (1, "the checkpoint is of 2 ranks, and 1 goes on: the environments of rank 1 are dropped; an iteration now has "
        "1 x 32 environments instead of 2 x 32"),
    (2, None),
    (4, "the checkpoint is of 2 ranks, and 4 go on: ranks 2 to 3 begin with new episodes; an iteration now has "
        "4 x 32 environments instead of 2 x 32"),
])
def test_a_run_goes_on_with_other_ranks(two, ranks, note, tmp_path):
    folder = cut_back(two[0], tmp_path / "run", 4)
    process = run(ranks, "train", "--resume", folder, "--threads", 1, "--json", cwd=tmp_path)
    assert process.returncode == 0, process.err
    said = json.loads(process.out)
    assert said["iterations"] == 6 and said["ranks"] == ranks
    assert said["steps"] == (4 * 2 + 2 * ranks) * 32 * 16
    notes = [line for line in process.err.splitlines() if "the checkpoint is of" in line]
    assert notes == ([f"stampede: {note}"] if note else [])
    if ranks == 2:
        assert_same(newest(two[0]), newest(folder))
    else:
        assert ("rank3/environments" in newest(folder)) == (ranks == 4)


def start_long(ranks, folder, mark, checkpoint_every=20, seed=1):
    process = start([(ranks, ["train", *SMALL, "--num-envs", 32, "--run", folder, "--iterations", 1000000, "--seed", seed,
                              "--set", f"run.checkpoint_every={checkpoint_every}"])], folder.parent, {"STAMPEDE_TEST": mark})
    wait_for(lambda: len(list((folder / "checkpoint").glob("*.safetensors"))) >= 2)
    return process


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_ends_the_job(rank, tmp_path):
    folder, mark = tmp_path / "run", f"killed-{rank}-{os.getpid()}"
    process = start_long(2, folder, mark)
    os.kill(process_of(mark, rank), signal.SIGKILL)
    finish(process)
    assert process.returncode != 0
    lines = errors(process)
    assert len(lines) == 1, process.err
    assert "--resume `" not in lines[0]
    assert re.search(rf"rank {rank} of 2 \(process \d+ on .*\) is gone", lines[0]), lines[0]
    if rank == 1:
        assert "is saved: `stampede train --resume" in lines[0]
        assert not list(folder.glob(".*.partial"))  # what rank 0 was just writing stays where it is killed itself
    done = int(sorted((folder / "checkpoint").glob("*.safetensors"))[-1].stem)
    said = program.run_json("train", "--resume", folder, "--stop-after", 1)
    assert said["iterations"] == done + 1


@pytest.mark.parametrize("number", range(int(os.environ.get("STAMPEDE_TEST_KILLS", "2"))))
def test_a_rank_killed_at_any_moment_leaves_a_run_that_goes_on(number, tmp_path):
    """Which rank, and when, is drawn. Checkpoints are written all the time; two kills of four wait until one is being written.
    STAMPEDE_TEST_KILLS says how many kills are tried."""
    chance, folder, mark = random.Random(number), tmp_path / "run", f"killed-at-{number}-{os.getpid()}"
    ranks = (2, 4)[number % 2]
    rank = chance.randrange(ranks)
    process = start_long(ranks, folder, mark, checkpoint_every=1, seed=number + 2)
    victim = process_of(mark, rank)
    time.sleep(chance.uniform(0, 1))
    if number // 2 % 2 == 0:
        wait_for((folder / ".checkpoint.partial").exists)
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    finish(process)
    done = int(sorted((folder / "checkpoint").glob("*.safetensors"))[-1].stem)
    print(f"rank {rank} of {ranks}, seed {number + 2}: {time.monotonic() - killed:.1f} s to the end, checkpoint {done}, "
          f"partial: {(folder / '.checkpoint.partial').exists()}; {process.err.splitlines()}")
    lines = errors(process)
    assert process.returncode != 0 and len(lines) == 1, process.err
    assert re.search(rf"rank {rank} of {ranks} \(process {victim} on .*\) is gone", lines[0]), lines[0]
    for others in (1, 2, 4):
        copy = shutil.copytree(folder, tmp_path / f"on-{others}")
        resumed = run(others, "train", "--resume", copy, "--stop-after", 1, "--threads", 1, "--json", cwd=tmp_path)
        assert resumed.returncode == 0, resumed.err
        said = json.loads(resumed.out)
        assert (said["iterations"], said["ranks"]) == (done + 1, others)


def test_whoever_is_asked_to_stop_all_stop_and_save(tmp_path):
    assert_all_stop_and_save(start_long, tmp_path)


@pytest.mark.parametrize("here, there, parts", [
    (["--set", "algorithm.learning_rate=1e-3"], ["--set", "algorithm.learning_rate=2e-3"],
     ["algorithm.learning_rate is 0.002 on rank 1 and 0.001 on rank 0"]),
    (["--seed", 3], ["--seed", 4], ["seed is 4 on rank 1 and 3 on rank 0"]),
    (["--stop-after", 2], [], ["--stop-after is 0 on rank 1 and 2 on rank 0"]),
])
def test_ranks_that_disagree_end(here, there, parts, tmp_path):
    common = ["train", *SMALL, "--num-envs", 32, "--iterations", 3, "--run", tmp_path / "run"]
    process = finish(start([(1, common + here), (1, common + there)], tmp_path))
    lines = errors(process)
    assert len(lines) == 1 and "the ranks disagree: " in lines[0], process.err
    for part in parts:
        assert part in lines[0], lines[0]
    assert statuses(tmp_path, 2) == [2, 2]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("here, there, parts", [
    # on all ranks: rank 0 tells it
    (["--set", "algorithm.gamma=2"], ["--set", "algorithm.gamma=2"], ["algorithm.gamma"]),
    # on one: rank 0 passes it on
    ([], ["--task", "pendulun"], ["rank 1: ", "pendulun"]),
    (["--task", "pendulun"], [], ["pendulun"]),
])
def test_mistakes_are_one_line(here, there, parts, tmp_path):
    common = ["train", "--num-envs", 32, "--iterations", 3, "--run", tmp_path / "run"]
    task = ["--task", "pendulum"]
    process = finish(start([(1, common + (here if "--task" in here else task + here)),
                            (1, common + (there if "--task" in there else task + there))], tmp_path))
    lines = errors(process)
    assert len(lines) == 1, process.err
    for part in parts:
        assert part in lines[0], lines[0]
    assert statuses(tmp_path, 2) == [2, 2]


def test_a_run_that_is_there_is_not_replaced(two, tmp_path):
    before = {file.name: file.read_bytes() for file in two[0].iterdir() if file.is_file()}
    process = run(2, "train", *SMALL, "--num-envs", 32, "--run", two[0], cwd=tmp_path)
    lines = errors(process)
    assert len(lines) == 1 and "holds a run already" in lines[0], process.err
    assert statuses(tmp_path, 2) == [2, 2]
    assert before == {file.name: file.read_bytes() for file in two[0].iterdir() if file.is_file()}


def test_without_the_mpi_module(tmp_path):
    for file in os.listdir(MODULES):
        if "-mpi" not in file:
            os.symlink(os.path.join(MODULES, file), tmp_path / file)
    line = program.refused("train", *SMALL, env={"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2",
                                                 "STAMPEDE_MODULES": str(tmp_path)}, cwd=tmp_path)
    for part in ("OMPI_COMM_WORLD_SIZE says that 2 processes train together", "libstampede-mpi.so", "libopenmpi-dev"):
        assert part in line, line


@pytest.mark.parametrize("env, parts", [
    ({"RANK": "0", "WORLD_SIZE": "2"},  # as torchrun sets them, whose processes MPI does not know
     ["WORLD_SIZE says that 2 processes were started together, but MPI connects 1", "mpirun", "unset WORLD_SIZE"]),
    ({"RANK": "2", "WORLD_SIZE": "2"}, ["RANK: is 2, but WORLD_SIZE says that there are 2 processes"]),
    ({"WORLD_SIZE": "2"}, ["RANK: is not set, but WORLD_SIZE says"]),
    ({"OMPI_COMM_WORLD_SIZE": "two"}, ["OMPI_COMM_WORLD_SIZE: is 'two', not the number"]),
])
def test_launchers_that_make_no_sense(env, parts, tmp_path):
    line = program.refused("train", *SMALL, env={**LAUNCHER, **env}, cwd=tmp_path)
    for part in parts:
        assert part in line, line


def test_other_commands_train_in_one_process(tmp_path):
    line = program.refused("distill", "--teacher", tmp_path, env={"OMPI_COMM_WORLD_RANK": "0",
                                                                  "OMPI_COMM_WORLD_SIZE": "2"}, cwd=tmp_path)
    assert "`stampede distill` runs in one" in line
    # One process of several, as Slurm's batch script itself, is no rank.
    said = program.run_json("train", *SMALL, "--num-envs", 32, "--iterations", 1, "--run", tmp_path / "run",
                            env={"SLURM_PROCID": "0", "SLURM_NTASKS": "4"})
    assert said["ranks"] == 1
