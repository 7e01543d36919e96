"""scripts/gpu-model: what a trotting warp executes, in the built kernel; and its parts on code of a few lines."""

import os
import pathlib
import shutil
import subprocess
import sys

import program
import pytest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))

import cuda_code  # noqa: E402
from gpu_model import issue, layered, model, sass, training, walk  # noqa: E402

BUILD = pathlib.Path(os.path.abspath(program.PROGRAM)).parent


@pytest.fixture(scope="module")
def kernel():
    path = BUILD / cuda_code.OBJECT
    if not path.exists():
        pytest.skip("this build has no CUDA module")
    if shutil.which("cuobjdump", path=cuda_code.SEARCHED) is None:
        pytest.skip("cuobjdump is not installed")
    if model.LEVEL not in cuda_code.mangled_names(path, "sm_90"):
        pytest.skip("this build has no code for sm_90")
    return walk.Kernel(sass.load(path, model.LEVEL))


@pytest.fixture(scope="module")
def trot():
    if not (BUILD / cuda_code.OBJECT).exists():
        pytest.skip("this build has no CUDA module")
    assert (BUILD / model.PROGRAMS[model.LEVEL]).exists(), "`all` makes emulate_warps where it makes the CUDA object"
    return model.emulate(BUILD, model.LEVEL, scenes=("trot",))[0]


def test_warps_do_what_robots_do(trot):
    """`bench physics` says as much of its trot: packs of 32 lanes change nothing but the order of sums."""
    said = program.run_json("bench", "physics", "--robot", "go2", "--dt", trot.data["timestep"], "--scene", "trot",
                            "--num-envs", trot.robots, "--repetitions", 1, "--device", "cpu")
    assert trot.robots == 256
    assert trot.data["contacts"] == pytest.approx(said["contacts_mean"], abs=0.03)
    assert trot.data["iterations"] == pytest.approx(said["iterations_mean"], abs=0.03)
    iterations, _, _ = trot.votes("advance_search")
    assert trot.data["iterations"] < iterations < 6.5
    assert len(trot.slots()) == len(trot.data["launches"]) * trot.steps
    assert max(trot.slots()) <= 4, "a trot's contacts lie in shared memory"


def test_instructions_of_a_trotting_warp(kernel, trot):
    """The band is what nvcc 13.0 makes, and some 10 % to both sides: less is good news, and a new band."""
    if cuda_code.nvcc() is None or cuda_code.compiler() != "13.0":
        pytest.skip("the bands are those of nvcc 13.0, and the compiler is another")
    walked = model.walk_scene(kernel, trot, 8, 2)
    assert 12_700 < walked.instructions < 15_500
    executed = model.executed(walked, lambda instruction: instruction.base)
    assert executed["LDL"] + executed["STL"] < 280, "contacts, or what lies beside them, are in local memory again"
    assert executed["SHFL"] < 520
    assert model.code_bytes(walked) < 84 * 1024

    machine = issue.Machine()
    issued = model.issue(issue.Timed(machine, kernel.code), walked, 2)
    assert 0.5 < issued.instructions / issued.cycles < 0.75
    assert model.rate(machine, walked, issued) > 270


def test_a_training_reads_delays_and_writes_records_beside(kernel, trot):
    plain, trained = (model.walk_scene(kernel, scene, 2, 2) for scene in (trot, trot.in_training))
    assert 1 < trained.instructions / plain.instructions < 1.2
    stored = [model.executed(walked, lambda instruction: instruction.base)["STG"] for walked in (plain, trained)]
    assert stored[0] < stored[1]


def test_the_walk_notices_votes_that_are_not_the_kernels(kernel, trot):
    letters = trot.data["launches"][0]
    votes = [letter.isupper() for letter in letters]
    for wrong in (votes[:-1], [*votes, False], [not votes[0], *votes[1:]]):
        with pytest.raises(walk.Lost, match="vote"):
            kernel.walk(trot.arguments, trot.memory, wrong)


# ------------------------------------------------------------------------------------------ the parts, without a GPU's code


def listing(*lines, control=0x000FE20000000000):
    """Code as cuobjdump prints it: stall 1, no barriers."""
    return "\n".join(f"        /*{16 * i:04x}*/   {text} ;   /* 0x{0:016x} */\n      /* 0x{control:016x} */" for i, text in enumerate(lines))


# A lane's number is its own, so whether it is one too many is not known; those that are not go on.
LOOP = ("S2R R5, SR_TID.X", "LDC R2, c[0x0][0x210]", "ISETP.GE.AND P2, PT, R5, R2, PT", "@P2 EXIT", "MOV R0, RZ",
        "IADD3 R0, R0, 0x1, RZ", "FADD R3, R3, 1", "FSETP.GT.AND P1, PT, R3, R4, PT", "VOTE.ANY P1, P1",
        "ISETP.GE.AND P0, PT, R0, R2, PT", "@!P0 BRA P1, 0x50", "EXIT")


def test_a_walk_ends_loops_by_counters_and_votes():
    kernel = walk.Kernel(sass.parse(listing(*LOOP)))
    three = (3).to_bytes(4, "little")
    executed, voted = kernel.walk(three, {}, [True, True, True])
    assert len(executed) == 5 + 3 * 6 + 1 and [executed[at] for at in voted] == [8, 8, 8]
    executed, _ = kernel.walk(three, {}, [True, False])
    assert len(executed) == 5 + 2 * 6 + 1
    with pytest.raises(walk.Lost, match="after the last of 2"):
        kernel.walk(three, {}, [True, True])
    with pytest.raises(walk.Lost, match="after 3 of 4 votes"):
        kernel.walk(three, {}, [True] * 4)


def test_the_rate_of_a_loop():
    """A warp's 8 robots take a step in 10 instructions; two warps fill all cycles, and one no more than every fourth."""
    machine, robots = issue.Machine(processors=2, schedulers=4, clock=1e6), 8
    scene = model.Scene({"scene": "loop", "steps": 3, "warps": 2})
    for control, alone in ((0x000FE20000000000, 1), (0x000FE80000000000, 4)):
        code = walk.Kernel(sass.parse(listing(*["FADD R0, R1, R2"] * 10, control=control)))
        walked = model.Walked(code, scene, 2, [""] * 2, [[*range(10)] * 3] * 2, [[]] * 2)
        timed = issue.Timed(machine, code.code)
        assert walked.instructions == 10
        for warps in (1, 2):
            cycles_a_step = 10 * max(1, alone / warps)
            expected = 2 * 4 * robots / cycles_a_step  # millions, at a million cycles a second
            assert model.rate(machine, walked, model.issue(timed, walked, warps)) == pytest.approx(expected, rel=0.05)
        with pytest.raises(walk.Lost, match="whole groups"):
            model.issue(timed, walked, 3)


def test_instructions_that_are_not_known_end_the_walk():
    for text in ("ISETP.NEW.AND P0, PT, R1, R2, PT", "LOP3.LUT R0, R1, R2, R3"):
        with pytest.raises(walk.Lost, match=text.partition(" ")[0]):
            walk.Kernel(sass.parse(listing(text, "EXIT")))
    with pytest.raises(walk.Lost, match="QP1"):
        walk.Kernel(sass.parse(listing("BRA !QP1, 0x10", "EXIT"))).walk(b"", {}, [])


def test_a_branch_that_nothing_decides_ends_the_walk():
    code = ("FSETP.GT.AND P1, PT, R3, R4, PT", "@P1 BRA 0x30", "FADD R3, R3, 1", "EXIT")
    with pytest.raises(walk.Lost, match="does not know whether it is taken"):
        walk.Kernel(sass.parse(listing(*code))).walk(b"", {}, [])
    # But lanes that may skip it by themselves do not: some lane goes through.
    code = ("FSETP.GT.AND P1, PT, R3, R4, PT", "BSSY B0, 0x50", "@P1 BRA 0x40", "FADD R3, R3, 1", "BSYNC B0", "EXIT")
    executed, _ = walk.Kernel(sass.parse(listing(*code))).walk(b"", {}, [])
    assert executed == [0, 1, 2, 3, 4, 5]
    # What was written there is then known no more.
    for write, then in (("MOV R5, 0x2", "ISETP.GE.AND P0, PT, R5, 0x2, PT"), ("ULDC.64 UR4, c[0x0][0x400]", "ISETP.GE.AND P0, PT, UR5, 0x2, PT"),
                        ("R2P PR, R5, 0x1", "NOP")):
        code = ("MOV R5, 0x1", "FSETP.GT.AND P1, PT, R3, R4, PT", "UMOV UR5, 0x1", "ISETP.GE.AND P0, PT, R5, 0x1, PT", "BSSY B0, 0x80",
                "@P1 BRA 0x70", write, "BSYNC B0", then, "@P0 BRA 0x80", "EXIT")
        with pytest.raises(walk.Lost, match="does not know whether it is taken"):
            walk.Kernel(sass.parse(listing(*code))).walk(b"", {}, [])


@pytest.mark.parametrize("text, before, after", [
    ("IADD3 R0, R1, -R2, RZ", {1: 5, 2: 7}, 0xFFFFFFFE),
    ("IADD3.X R0, R1, R2, RZ, PT, !PT", {1: 5, 2: 7}, 13),
    ("S2R R0, SR_TID.X", {}, None),
    ("SHF.R.U64 R0, R1, 0x4, R2", {1: 5, 2: 7}, None),
    ("IMAD R0, R1, 0x94, R2", {1: 3, 2: 4}, 448),
    ("SHF.L.U32 R0, R1, 0x4, RZ", {1: 0x10000001}, 0x10),
    ("SHF.R.S32.HI R0, RZ, 0x1f, R1", {1: 0x80000000}, 0xFFFFFFFF),
    ("LOP3.LUT R0, R1, 0xf0, RZ, 0xc0, !PT", {1: 0x1234}, 0x30),
    ("PRMT R0, R1, 0x7771, RZ", {1: 0x00000100}, 1),
    ("LEA R0, R1, R2, 0x2", {1: 3, 2: 100}, 112),
    ("HFMA2.MMA R0, -RZ, RZ, 0, 5.9604644775390625e-08", {}, 1),
    ("P2R R0, PR, R1, 0x0", {1: 8}, 8),
    ("SEL R0, R1, R2, PT", {1: 8, 2: 9}, 8),
    ("IMAD R0, R1, R2, RZ", {1: 8}, None),
    ("FADD R0, R1, R2", {1: 8, 2: 9}, None),
])
def test_what_instructions_do(text, before, after):
    warp = walk.Warp(b"", {})
    warp.registers[0] = 77
    for index, value in before.items():
        warp.registers[index] = value
    walk.effect(sass.parse(listing(text))[0])(warp)
    assert warp.registers[0] == after


def test_issue_waits_for_stalls_results_and_units():
    def cycles(*lines, control, warps=1):
        code = sass.parse(listing(*lines, control=control))
        return issue.Timed(issue.Machine(), code).issue([list(range(len(code)))] * warps).cycles

    free, four = 0x000FE20000000000, 0x000FE80000000000
    assert cycles(*["FADD R0, R1, R2"] * 10, control=free) == 10
    assert cycles(*["FADD R0, R1, R2"] * 10, control=four) == 1 + 9 * 4
    assert cycles(*["FADD R0, R1, R2"] * 10, control=four, warps=4) == 4 + 9 * 4
    assert cycles(*["MUFU.RCP R0, R1"] * 10, control=free) == 1 + 9 * issue.Machine.busy_special
    # Barrier 0 is freed by the first and waited for by the second.
    load, use = sass.parse(listing("LDS R0, [R1]", control=0x000E220000000000)), sass.parse(listing("FADD R0, R0, R2", control=0x001FE20000000000))
    assert (load[0].write_barrier, use[0].waits) == (0, 1)
    assert issue.Timed(issue.Machine(), load + use).issue([[0, 1]]).cycles == issue.Machine.shared + 1


def test_the_launches_of_an_iteration_are_those_that_the_emulated_device_counts():
    kernels, products = training.asserted_launches()
    assert kernels > 100 and products == 0
    chosen = training.settings(os.path.abspath(program.PROGRAM))
    assert (chosen.horizon, chosen.epochs, chosen.actor, chosen.precision) == (24, 5, [128, 64, 32], "tf32")
    time = training.iteration(issue.Machine(), chosen, 4096, 1e-4)
    assert time.launches == pytest.approx(kernels * training.LAUNCH)
    assert time.physics == pytest.approx(24 * 1e-4 * training.FETCH_AND_TAIL)
    # A forward pass of the actor for each step, of the critic for two more than there are steps, in the machine's FP32.
    actor, critic = (2 * sum(a * b for a, b in zip(sizes, sizes[1:])) for sizes in ([45, 128, 64, 32, 12], [58, 128, 64, 32, 1]))
    peak = 132 * 128 * 2 * 1.755e9
    assert time.networks == pytest.approx(4096 * (24 * actor + 26 * critic) / (peak * training.FP32_SHARE))
    assert 0 < time.networks < time.update < 0.02


def test_a_minibatch_takes_longer_than_its_arithmetic_and_less_than_twice_as_long():
    machine = issue.Machine()
    networks = [training.layers(sizes) for sizes in ([45, 128, 64, 32, 12], [58, 128, 64, 32, 1])]
    for network in networks:
        # 64 samples: forward, the weights' gradient and, but for the first layer, the inputs', on 128 lanes.
        least = 64 * sum((3 if i else 2) * inputs * outputs for i, (inputs, outputs) in enumerate(network)) / 128
        paired, unpaired = (training.tile_cycles(machine, network, steps) for steps in (training.PAIRED, training.UNPAIRED))
        assert least / training.LOOP_SHARE < paired < 2 * least
        assert paired < unpaired < 2 * paired
    # Half of the multiprocessors for each network: 66 tiles at once, so the 67th makes them all wait.
    times = [training.minibatch_seconds(machine, networks, 64 * tiles) for tiles in (1, 66, 67, 132)]
    assert times[0] < times[1] < times[2] < times[3] < 2 * times[1] + 1e-6
    assert times[2] > 1.5 * times[1]


def test_products_take_as_long_as_their_blocks():
    machine = issue.Machine()
    fp32 = machine.clock * 132 * 128 * 2 * training.FP32_SHARE
    peaks = {"fp32": fp32, "tf32": 132 * 2048 * machine.clock * layered.TENSOR_SHARE, "bf16": 132 * 4096 * machine.clock * layered.TENSOR_SHARE}
    for m, n, k in ((512, 12288, 256), (512, 256, 12288), (12, 12288, 128), (512, 45, 12288)):
        for precision, peak in peaks.items():
            took = layered.product_seconds(machine, precision, m, n, k)
            assert took >= 0.999 * 2 * m * n * k / peak

    # Whole waves of whole blocks lose nothing; one block more is a wave more. A long sum is split, so that all have work.
    def least(m, n, k):
        return layered.product_seconds(machine, "fp32", m, n, k) * fp32 / (2 * m * n * k)

    assert least(128 * 12, 128 * 11, 256) == pytest.approx(1)
    assert least(64 * 12, 64 * 11 + 1, 256) > 1.3
    assert least(512, 256, 12288) < 1.2 and least(512, 256, 512) > 1.9


def test_what_was_touched_long_ago_comes_from_memory():
    machine = issue.Machine()

    def of(size):
        return layered.seconds(machine, [layered.Kernel({"a": size}, {"b": size}), layered.Kernel({"b": size}, {"a": size})])
    # What fits is read where it was written right before; what is larger than the cache by itself is not.
    small, large = 0.9 * layered.L2_KEPT, 1.1 * layered.L2_KEPT
    assert of(small) == pytest.approx(4 * small / training.L2_BANDWIDTH)
    assert of(large) == pytest.approx(4 * large / (machine.memory * layered.MEMORY_SHARE))
    # Nor is what fits, if others are touched before it is touched again: here four that are each touched once.
    one_by_one = [layered.Kernel({name: 0.3 * layered.L2_KEPT}, {}) for name in "abcd"]
    assert layered.seconds(machine, one_by_one[:3]) == pytest.approx(0.9 * layered.L2_KEPT / training.L2_BANDWIDTH)
    assert layered.seconds(machine, one_by_one) == pytest.approx(1.2 * layered.L2_KEPT / (machine.memory * layered.MEMORY_SHARE))
    slow = layered.Kernel({"a": small}, {}, 1.0)
    assert layered.seconds(machine, [slow, slow]) == 2.0


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_an_iteration_of_larger_networks(precision):
    machine, chosen = issue.Machine(), training.Settings(24, 5, [], [], "tf32")
    kernels, products = layered.asserted_launches(precision)
    # 40 minibatches of two networks with four layers: forward, weights, and inputs but for the first; and the rollout's, with
    # the critic's in passes: 16 environments' 25 steps by 80 rows, and what followed episodes' ends; 4096 have 10 passes.
    assert layered.critic_passes(chosen, 16) == 6 and layered.critic_passes(chosen, 4096) == 10
    assert products == 40 * 2 * (4 + 4 + 3) + 24 * 4 + 6 * 4
    assert kernels > 40 * 2 * (3 + 4)
    time = layered.iteration(machine, chosen, precision, 4096, 1e-4)
    assert time.launches == pytest.approx((kernels + products + 4 * 9 + 320) * training.LAUNCH)
    assert time.physics == pytest.approx(24 * 1e-4 * training.FETCH_AND_TAIL)
    assert 0 < time.networks < time.update < 0.1
    # Both networks' activations, read and written, in a number's bytes: no minibatch takes less than these from memory.
    size = layered.NARROW if precision == "bf16" else layered.FLOAT
    assert time.update > 40 * 2 * 896 * 12288 * size / machine.memory


def test_fewer_bits_take_less_time():
    machine, chosen = issue.Machine(), training.Settings(24, 5, [], [], "tf32")
    times = [layered.iteration(machine, chosen, precision, 4096, 1e-4) for precision in ("fp32", "tf32", "bf16")]
    update, rollout = [time.update for time in times], [time.networks for time in times]
    assert update[0] > 2 * update[1] and update[1] > 1.5 * update[2]
    assert rollout[0] > 1.5 * rollout[1] and rollout[1] == rollout[2], "with bf16 acting is as with tf32"


def test_a_tool_that_fails_says_so_in_a_line(capsys):
    for command, said in (("echo one >&2; echo two >&2; echo >&2; exit 1", "two"), ("kill -9 $$", "ended by signal 9")):
        with pytest.raises(SystemExit) as ended:
            cuda_code.tool("sh", "-c", command)
        text = capsys.readouterr().err
        assert ended.value.code == 2 and text.count("\n") == 1 and text.endswith(f": {said}\n")


def test_without_a_cuda_build_it_says_what_to_do(tmp_path):
    process = subprocess.run([SCRIPTS / "gpu-model", "--build", tmp_path], capture_output=True, text=True, check=False)
    assert process.returncode == 2 and process.stdout == ""
    assert process.stderr.startswith("gpu-model: error: ") and process.stderr.count("\n") == 1
    assert "cmake --build --preset release" in process.stderr
