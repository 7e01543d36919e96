"""What the program says where a GPU cannot be used, or fails: with the emulated GPU of tests/emulator."""

import json

import program
import pytest
from emulated import NO_EMULATOR, emulated

pytestmark = pytest.mark.skipif(NO_EMULATOR, reason="no emulated GPU was built (STAMPEDE_CUDA=EMULATED)")

SMALL = ["--task", "pendulum", "--iterations", 8, "--set", "train.horizon=8", "--set", "algorithm.minibatch=256",
         "--set", "algorithm.epochs=2", "--set", "network.actor=[16]", "--set", "network.critic=[16]",
         "--set", "run.eval_episodes=4", "--set", "run.checkpoint_every=2"]


def train(folder, *arguments, num_envs=64, device="cuda"):
    return ["train", *SMALL, "--num-envs", num_envs, "--run", folder, "--device", device, *arguments]


def failed(*arguments, env, cwd=None, status=2):
    """The one line that the program ends with. Before it there is progress, but no warning; what the emulator says of
    itself does not count."""
    process = program.run(*arguments, cwd=cwd, env=env)
    assert process.returncode == status, (process.returncode, process.stderr)
    progress = ("stampede: iteration ", "stampede: going on from ", "cuda-emulator: ", "  in ")
    lines = [line for line in process.stderr.splitlines() if not line.startswith(progress)]
    assert len(lines) == 1 and lines[0].startswith("stampede: error: "), process.stderr
    return lines[0]


def test_a_training_runs_there(tmp_path):
    said = program.run_json(*train(tmp_path / "run"), env=emulated())
    assert (said["device"], said["instruction_set"]) == ("cuda", "sm_90")
    assert (tmp_path / "run" / "policy.onnx").exists()


@pytest.mark.parametrize("settings, parts", [
    ({"driver": "old"}, ["driver is too old", "of CUDA 12.4", "built with CUDA 13.0", "a driver of CUDA 13 or newer"]),
    ({"driver": "broken"}, ["driver does not start"]),
    ({"driver": "none"}, ["driver finds no GPU"]),
    ({"capability": 75}, ["is an sm_75", "sm_80 or newer"]),
    ({"memory": 16}, ["the GPU has no room for 33 MiB more", "16 MiB of 16 MiB are free"]),
    ({"fail": "cudaFuncGetAttributes@1=cudaErrorNoKernelImageForDevice"},
     ["is an sm_90", "no code", "-DCMAKE_CUDA_ARCHITECTURES=90"]),
    ({"fail": "cudaGetDeviceCount@1=cudaErrorDevicesUnavailable"}, ["busy or unavailable"]),
])
def test_a_gpu_that_cannot_be_used_is_one_line(settings, parts, tmp_path):
    line = failed(*train(tmp_path / "run"), env=emulated(**settings))
    assert line.startswith("stampede: error: --device cuda: "), line
    for part in parts:
        assert part in line, line
    assert line.count("--device cpu") == 1, line
    assert not (tmp_path / "run").exists()
    # What is chosen by itself is the CPU, for the same reason.
    process = program.run("bench", "env", "--task", "pendulum", "--num-envs", 64, "--seconds", 0.01,
                          env=emulated(**settings))
    assert process.returncode == 0, process.stderr
    note = [line for line in process.stderr.splitlines() if line.startswith("stampede: running on the CPU: ")]
    assert len(note) == 1 and "--device" not in note[0], process.stderr
    for part in parts:
        assert part in note[0], note[0]


def test_small_trainings_stay_on_the_cpu(tmp_path):
    said = program.run(*train(tmp_path / "run", device="auto"), "--json", env=emulated())
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["device"] == "cpu"
    assert "running on the CPU: by a model" in said.stderr, said.stderr


def test_a_gpu_by_its_number(tmp_path):
    """With the same bits on every GPU: they are all of one kind."""
    runs = {}
    for device, index in (("cuda", 0), ("cuda:0", 0), ("cuda:2", 2)):
        folder = tmp_path / device
        program.run_json(*train(folder, device=device), env=emulated(devices=3))
        assert json.loads((folder / "system.json").read_text())["gpu"]["index"] == index
        runs[device] = (folder / "policy.onnx").read_bytes()
    assert runs["cuda"] == runs["cuda:0"] == runs["cuda:2"]
    assert program.run_json("eval", "--run", tmp_path / "cuda", "--episodes", 4, "--device", "cuda:1",
                            env=emulated(devices=2))["episodes"] == 4


@pytest.mark.parametrize("device, settings, env, parts", [
    ("cuda:7", {}, {}, ["--device cuda:7: there is no such GPU: this process sees 1 GPU, cuda:0", "--device cpu"]),
    ("cuda:7", {"devices": 4}, {}, ["--device cuda:7: there is no such GPU: this process sees 4 GPUs, cuda:0 to cuda:3"]),
    ("cuda:1", {"devices": 4}, {"CUDA_VISIBLE_DEVICES": "2"}, ["sees 1 GPU, cuda:0", "CUDA_VISIBLE_DEVICES"]),
    ("cuda:1", {"driver": "none"}, {}, ["--device cuda:1: the NVIDIA driver finds no GPU"]),
    ("cuda:one", {"devices": 2}, {}, ["'one' in 'cuda:one' is no number of a GPU; cuda:0 is the first one"]),
    ("cuda:", {"devices": 2}, {}, ["'' in 'cuda:' is no number of a GPU"]),
    ("cuda:-1", {"devices": 2}, {}, ["'-1' in 'cuda:-1' is no number of a GPU"]),
    ("cuda1", {"devices": 2}, {}, ["unknown device 'cuda1'", "auto, cpu and cuda, and cuda:N for GPU N"]),
])
def test_a_gpu_that_is_not_there(device, settings, env, parts, tmp_path):
    line = failed(*train(tmp_path / "run", device=device), env={**emulated(**settings), **env})
    for part in parts:
        assert part in line, line
    assert not (tmp_path / "run").exists()


def test_info_counts_gpus():
    gpu = program.run_json("info", env=emulated(devices=3))["devices"][1]
    assert (gpu["device"], gpu["usable"], gpu["count"]) == ("cuda", True, 3)
    assert "Emulated GPU (sm_90), the first of 3\n" in program.run("info", env=emulated(devices=3)).stdout


def test_system_json_has_the_algorithms_of_products(tmp_path):
    """What cuBLASLt chose for each product of the networks' layers, each once: the emulated one splits dimensions of 1024
    or more and, as it is asked for, adds the parts in a step of their own."""
    run = tmp_path / "run"
    program.run_json(*train(run, num_envs=256), "--set", "algorithm.minibatch=2048", "--set", "algorithm.epochs=1",
                     env=emulated())
    products = json.loads((run / "system.json").read_text())["matrix_products"]
    assert products == [dict(t) for t in {tuple(product.items()): None for product in products}]
    for product in products:
        # Of the algorithms that are offered, in the order of their parts, a weights' gradient wants more than one.
        split = product["k"] >= 4 * max(product["m"], product["n"]) and product["k"] >= 1024
        assert product["algorithm"] == 21 and product["precision"] in ("float32", "tf32")
        assert product["split_k"] == (4 if split else 1) and product["candidate"] == (1 if split else 0)
        assert product["reduction"] == (2 if split else 0)
        assert (product["workspace_bytes"] > 0) == split
    # The first layer of 16 units with 3 inputs, a minibatch of 2048 samples: forward, and its weights' gradient.
    assert [p for p in products if p["k"] == 3 and p["m"] == 16 and p["n"] == 2048]
    assert [p for p in products if p["k"] == 2048 and p["m"] == 16 and p["transpose_b"]]
    # A run on the CPU has none.
    program.run_json(*train(tmp_path / "cpu", device="cpu"))
    assert "matrix_products" not in json.loads((tmp_path / "cpu" / "system.json").read_text())


def test_an_update_in_bf16(tmp_path):
    """Layer by layer, for small networks learn in single precision at once: the update's products are in BF16, the rollout's
    in TF32, as with the default."""
    wide = ["--set", "network.actor=[300, 200]", "--set", "network.critic=[300, 200]", "--set", "network.precision=bf16",
            "--set", "algorithm.minibatch=256", "--set", "algorithm.epochs=1"]
    found = []
    for run in ("one", "two"):
        program.run_json(*train(tmp_path / run, *wide), env=emulated())
        products = json.loads((tmp_path / run / "system.json").read_text())["matrix_products"]
        assert {product["precision"] for product in products} == {"tf32", "bf16"}
        for product in products:
            if product["precision"] == "bf16":
                assert 256 in (product["n"], product["k"]), product  # a minibatch
            else:
                assert not product["transpose_a"] and not product["transpose_b"], product  # nothing goes back
        found.append((tmp_path / run / "policy.onnx").read_bytes())
    assert found[0] == found[1], "the same seed, other bits"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_bf16_is_for_dense_layers(device, tmp_path):
    line = failed(*train(tmp_path / "run", "--set", "network.precision=bf16", "--set", 'network.modules=["gru", "dense"]',
                         device=device), env=emulated())
    assert 'network.precision = "bf16" is for networks of dense layers alone' in line and '"tf32" or "fp32"' in line


MANY = "minibatches; on a GPU each costs the time of its launches"


def test_many_minibatches_are_warned_of_once(tmp_path):
    """64 x 8 samples in minibatches of 4."""
    small = ["--set", "algorithm.minibatch=4", "--set", "algorithm.epochs=1", "--set", "run.checkpoint_every=1"]
    process = program.run(*train(tmp_path / "run", *small, "--stop-after", 2), env=emulated())
    assert process.returncode == 0, process.stderr
    lines = [line for line in process.stderr.splitlines() if MANY in line]
    assert lines == ["stampede: a pass over 512 samples is split into 128 " + MANY + ", however few samples it has: "
                     "algorithm.minibatch = 8 or more would take less time"]
    process = program.run("train", "--resume", tmp_path / "run", "--stop-after", 1, "--device", "cuda", env=emulated())
    assert process.stderr.count(MANY) == 1, process.stderr
    by_number = program.run(*train(tmp_path / "number", "--set", "algorithm.minibatches=65", "--stop-after", 1),
                            env=emulated())
    assert by_number.stderr.count("into 65 " + MANY) == 1, by_number.stderr
    assert "algorithm.minibatches = 64 or fewer" in by_number.stderr
    # Neither with 64 of them, nor on the CPU, which goes through a minibatch in tiles.
    few = program.run(*train(tmp_path / "few", "--set", "algorithm.minibatches=64", "--stop-after", 1), env=emulated())
    assert few.returncode == 0 and MANY not in few.stderr, few.stderr
    on_cpu = program.run(*train(tmp_path / "cpu", *small, device="cpu"))
    assert on_cpu.returncode == 0 and MANY not in on_cpu.stderr, on_cpu.stderr


@pytest.mark.parametrize("arguments, memory, advice", [
    (train("run", num_envs=1000000), 80, ["1000000 environments", "train.num_envs"]),
    (["bench", "env", "--task", "pendulum", "--num-envs", 1000000, "--device", "cuda"], 60,
     ["1000000 environments", "--num-envs"]),
    (train("run", num_envs=3000), 66, ["3000 environments", "train.num_envs", "KiB more"]),
])
def test_memory_that_runs_out_names_what_would_be_less(arguments, memory, advice, tmp_path):
    line = failed(*arguments, cwd=tmp_path, env=emulated(memory=memory))
    for part in ["not enough memory", "the GPU has no room for", f"of {memory} MiB are free", *advice]:
        assert part in line, line
    assert " 0 MiB more" not in line and " 0 KiB more" not in line, line
    assert not (tmp_path / "run").exists()


def test_an_evaluation_that_does_not_fit_leaves_the_policy(tmp_path):
    run = tmp_path / "run"
    line = failed(*train(run, "--set", "run.eval_episodes=1000000"), env=emulated(memory=80))
    for part in ["evaluation of 1000000 episodes", "run.eval_episodes", str(run / "policy.onnx"), f"--resume {run}"]:
        assert part in line, line
    assert "num_envs" not in line, line
    line = failed("eval", "--policy", run / "policy.onnx", "--task", "pendulum", "--episodes", 1000000,
                           "--device", "cuda", env=emulated(memory=60))
    assert "fewer --episodes" in line and "num_envs" not in line, line
    assert program.run_json("eval", "--policy", run / "policy.onnx", "--task", "pendulum", "--episodes", 4,
                            "--device", "cuda", env=emulated(memory=60))["episodes"] == 4


@pytest.mark.parametrize("fail, parts", [
    # The probing engine pins memory first, then the engine, then the trainer.
    ("cudaMallocHost@3=cudaErrorMemoryAllocation", ["the host has no room for 2 KiB of pinned memory"]),
    ("cudaGraphInstantiate@1=cudaErrorMemoryAllocation", ["no room for what cudaGraphInstantiate needs", "--resume"]),
    ("cudaGraphLaunch@3=cudaErrorMemoryAllocation", ["no room for what cudaGraphLaunch needs", "--resume"]),
])
def test_other_memory_that_runs_out_is_told_likewise(fail, parts, tmp_path):
    line = failed(*train(tmp_path / "run"), env=emulated(fail=fail))
    for part in ["not enough memory for 64 environments", "train.num_envs", *parts]:
        assert part in line, line
    assert "reinterpret_cast" not in line, line


@pytest.mark.parametrize("fail, parts", [
    ("run:run_elements@500=cudaErrorIllegalAddress", ["an illegal memory access was encountered"]),
    ("cudaEventSynchronize@5=cudaErrorECCUncorrectable",
     ["CUDA: cudaErrorECCUncorrectable", "in cudaEventSynchronize(event)"]),
    ("cublasLtMatmul@20=1", ["cuBLASLt: ", "in cublasLtMatmul("]),
])
def test_a_training_whose_gpu_fails_says_how_to_go_on(fail, parts, tmp_path):
    program.run_json(*train(tmp_path / "whole"), env=emulated())
    run = tmp_path / "run"
    line = failed(*train(run), env=emulated(fail=fail), status=1)  # one line: no warning repeats it
    for part in [*parts, f"`stampede train --resume {run}`", str(run / "checkpoint")]:
        assert part in line, line
    assert program.run_json("train", "--resume", run, "--device", "cuda", env=emulated())["iterations"] == 8
    assert (run / "policy.onnx").read_bytes() == (tmp_path / "whole" / "policy.onnx").read_bytes()


def test_a_call_that_fails_is_named(tmp_path):
    line = failed(*train(tmp_path / "run"), env=emulated(fail="cudaMalloc@20=cudaErrorDevicesUnavailable"),
                           status=1)
    assert "in cudaMalloc(" in line and "status" not in line, line
    assert not (tmp_path / "run").exists()
