"""Trainings, runs, evaluations and policies of the package, beside those of the program."""

import json
import pathlib

import numpy
import program
import pytest
from program import line_of

stampede = pytest.importorskip("stampede", reason="built without STAMPEDE_PYTHON_PACKAGE")
ROOT = pathlib.Path(__file__).resolve().parents[2]
GO2 = ROOT / "policies/go2-flat/policy.onnx"
SMALL = {"iterations": 12, "num_envs": 1024}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return stampede.train("pendulum", **SMALL, run=tmp_path_factory.mktemp("package") / "run")


def test_a_training_is_the_programs(run, trained):
    folder, said = trained
    assert run.policy_onnx.is_file() and run.finished and not run.interrupted
    assert (run.iterations, run.steps) == (said["iterations"], said["steps"])
    assert run.evaluation["return_mean"] == said["return_mean"]
    for name in ("policy.safetensors", "policy.onnx"):
        assert (run.folder / name).read_bytes() == (folder / name).read_bytes()


def test_metrics_are_records(run):
    metrics = run.metrics
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert len(metrics) == 12 and metrics.iteration.tolist() == list(range(1, 13))
    assert metrics.steps[-1] == run.steps and metrics.steps.dtype.kind == "i"
    returns = [numpy.nan if line["return_mean"] is None else line["return_mean"] for line in lines]
    numpy.testing.assert_array_equal(metrics.return_mean, returns)
    assert len(stampede.Run(run.folder).metrics) == 12
    assert "is no run" in line_of(lambda: stampede.Run(ROOT))


def test_reports_may_stop_a_training_which_goes_on_to_the_same_bits(run, tmp_path):
    reports = []

    def stop_after_five(report):
        reports.append(report)
        return report["iteration"] == 5

    stopped = stampede.train("pendulum", **SMALL, run=tmp_path / "run", on_report=stop_after_five)
    assert stopped.interrupted and not stopped.finished and stopped.iterations == 5
    assert [report["iteration"] for report in reports] == [1, 2, 3, 4, 5]
    assert reports[4]["steps"] == stopped.steps == stopped.metrics.steps[-1]
    assert set(reports[0]) >= {"return_mean", "iteration", "steps"}
    assert stopped.evaluation == {}
    done = stampede.resume(stopped, on_report=lambda report: reports.append(report))
    assert done.finished and [report["iteration"] for report in reports] == list(range(1, 13))
    assert (done.folder / "policy.safetensors").read_bytes() == (run.folder / "policy.safetensors").read_bytes()


@pytest.mark.parametrize("error", [KeyError("mine"), KeyboardInterrupt()])
def test_what_a_report_raises_is_raised_again_and_the_run_saved(tmp_path, error):
    def fail(report):
        if report["iteration"] == 3:
            raise error

    with pytest.raises(type(error)):
        stampede.train("pendulum", **SMALL, run=tmp_path / "run", on_report=fail)
    assert stampede.resume(tmp_path / "run", stop_after=1).iterations == 4


def test_evaluations_are_the_programs(run):
    told = stampede.evaluate(run, episodes=50)
    said = program.run_json("eval", "--run", run.folder, "--episodes", 50)
    assert told.items() <= said.items()
    exported = stampede.evaluate(run.policy_onnx, episodes=50)
    assert exported["return_mean"] == pytest.approx(told["return_mean"], abs=1e-2)
    assert stampede.evaluate(run.folder, episodes=50, seed=5)["return_mean"] != told["return_mean"]
    assert stampede.evaluate(run.policy(), episodes=50)["task"] == "pendulum"


def test_evaluations_keep_the_programs_trace(run, tmp_path):
    stampede.evaluate(run, episodes=7, trace=tmp_path / "ours.safetensors")
    program.run_json("eval", "--run", run.folder, "--episodes", 7, "--trace", tmp_path / "theirs.safetensors")
    assert (tmp_path / "ours.safetensors").read_bytes() == (tmp_path / "theirs.safetensors").read_bytes()
    assert "exists already; force=True" in line_of(
        lambda: stampede.evaluate(run, episodes=7, trace=tmp_path / "ours.safetensors"))
    assert "nowhere, in which" in line_of(lambda: stampede.evaluate(run, trace=tmp_path / "nowhere" / "a.safetensors"))
    stampede.evaluate(run, episodes=5, trace=tmp_path / "ours.safetensors", force=True)
    assert (tmp_path / "ours.safetensors").read_bytes() != (tmp_path / "theirs.safetensors").read_bytes()


def test_a_training_begins_with_a_policy(run, tmp_path):
    same = {"algorithm.learning_rate": 0, "algorithm.schedule": "fixed"}
    further = stampede.train("pendulum", iterations=1, num_envs=64, init=run, set=same, run=tmp_path / "run")
    observations = numpy.random.default_rng(1).normal(size=(20, 3))
    numpy.testing.assert_array_equal(further.policy().act(observations), run.policy().act(observations))
    line = line_of(lambda: stampede.train("cartpole-swingup", init=run, set={"network.activation": "silu"},
                                          run=tmp_path / "other"))
    assert "which the task 'cartpole-swingup' does not have" in line or "which the policy was not trained with" in line
    assert not (tmp_path / "other").exists()
    line = line_of(lambda: stampede.train("pendulum", init=run, set={"network.actor": [8]}, run=tmp_path / "other"))
    assert "network.actor" in line


def test_observations_that_are_new_change_nothing_at_first(tmp_path):
    settings = {"network.actor": [128, 64, 32], "network.activation": "elu", "algorithm.learning_rate": 0,
                "algorithm.schedule": "fixed", "run.eval_episodes": 1}
    run = stampede.train("go2-rough", iterations=1, num_envs=16, init=GO2, set=settings, run=tmp_path / "run")
    flat, rough = stampede.load(GO2), run.policy()
    assert set(flat.observation_names) < set(rough.observation_names)
    random = numpy.random.default_rng(1).normal(size=(20, rough.observations))
    known = [rough.observation_names.index(name) for name in flat.observation_names]
    numpy.testing.assert_allclose(rough.act(random), flat.act(random[:, known]), atol=1e-5)


def test_errors_are_the_programs_lines(tmp_path):
    for arguments, call in (
        (("train", "--task", "pendulm"), lambda: stampede.train("pendulm")),
        (("train", "--task", "pendulum", "--set", "train.num_envs=0"),
         lambda: stampede.train("pendulum", set={"train.num_envs": 0})),
        (("eval", "--run", tmp_path), lambda: stampede.evaluate(tmp_path)),
        (("eval", "--policy", GO2, "--task", "pendulum"), lambda: stampede.evaluate(GO2, task="pendulum")),
    ):
        said = program.refused(*arguments).removeprefix("stampede: error: ")
        assert line_of(call).removeprefix("task: ") == said.removeprefix("--task: ")


def test_what_is_refused(run, tmp_path):
    assert "holds a run" in line_of(lambda: stampede.train("pendulum", run=run.folder))
    assert "cannot be called" in line_of(lambda: stampede.train("pendulum", on_report=3))
    assert "teaches a student" in line_of(lambda: stampede.train("pendulum", algo="dagger"))
    assert "a dictionary of settings" in line_of(lambda: stampede.train("pendulum", set=["train.num_envs=3"]))
    assert "no file or folder" in line_of(lambda: stampede.load(tmp_path / "policy.onnx"))
    assert "--simulator isaac" in line_of(lambda: stampede.evaluate(run, simulator="isaac"))
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"no policy")
    assert "wrong.onnx" in line_of(lambda: stampede.load(wrong))


class Linear:
    """A layer with the attributes of torch.nn.Linear."""

    def __init__(self, random, outputs, inputs):
        self.weight, self.bias = random.normal(size=(outputs, inputs)) / 5, random.normal(size=outputs)


ACTIVATIONS = {
    "ELU": lambda x: numpy.where(x > 0, x, numpy.expm1(x)),
    "Tanh": numpy.tanh,
    "ReLU": lambda x: numpy.maximum(x, 0),
    "SiLU": lambda x: x / (1 + numpy.exp(-x)),
}


def activation(name):
    return type(name, (), {})()


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("ending", ["onnx", "safetensors"])
def test_a_network_of_another_library_is_a_policy(name, ending, tmp_path):
    random = numpy.random.default_rng(4)
    network = [Linear(random, 16, 45), activation(name), Linear(random, 8, 16), activation(name), Linear(random, 12, 8)]
    mean, deviation = random.normal(size=45), random.uniform(0.1, 2, 45)
    env = stampede.VectorEnv("go2-flat", 33)
    path = tmp_path / f"policy.{ending}"
    env.save_policy(path, network, mean=mean, deviation=deviation, clip=3)
    seen = 3 * random.normal(size=(33, 45)).astype(numpy.float32)
    hidden = numpy.clip((seen - mean) / deviation, -3, 3)
    for layer in network:
        hidden = hidden @ layer.weight.T + layer.bias if isinstance(layer, Linear) else ACTIVATIONS[name](hidden)
    task = env._task
    wanted = numpy.clip(hidden * task.action_scale + task.action_centre, task.action_low, task.action_high)
    policy = stampede.load(path)
    numpy.testing.assert_allclose(policy.act(seen), wanted, atol=1e-5)
    kept = stampede.load(GO2)
    assert policy.facts.keys() >= kept.facts.keys()
    assert (policy.task, policy.robot, policy.observation_names) == ("go2-flat", "go2", env.observation_names)
    told = stampede.evaluate(path, episodes=4, set={"control.episode": 0.2})
    assert told["episodes"] == 4 and told["task"] == "go2-flat"


def test_networks_that_are_no_policy_are_refused(tmp_path):
    random = numpy.random.default_rng(4)
    env = stampede.VectorEnv("pendulum")
    first, middle, last = Linear(random, 8, 3), activation("Tanh"), Linear(random, 1, 8)

    def line(network=(first, middle, last), name="policy.onnx", **arguments):
        return line_of(lambda: env.save_policy(tmp_path / name, network, **arguments))

    assert line(name="policy.pt").endswith(".onnx or .safetensors would be right")
    assert "network[1]: Softplus cannot be written" in line([first, activation("Softplus"), last])
    assert "network[3]: ReLU follows tanh" in line([first, middle, Linear(random, 8, 8), activation("ReLU"), last])
    assert "network[0]: Tanh stands where" in line([middle])
    assert "does not end with a layer" in line([first, middle]) and "does not end with a layer" in line([])
    assert "network[0]: has 4 inputs; 3, as many as the policy sees" in line([Linear(random, 1, 4)])
    assert "network[2]: has 7 inputs; 8, as many as the layer before" in line([first, middle, Linear(random, 1, 7)])
    assert "has 2 outputs; 1, one for each action" in line([Linear(random, 2, 3)])
    assert "mean: an array of shape [2] is given; float32 [3] would be right" in line(mean=[0, 0])
    assert "deviation: 0 is out of range; 0.0001 or more" in line(deviation=[1, 0, 1])
    assert "clip: 0 is out of range" in line(clip=0)
    bad = Linear(random, 1, 3)
    bad.weight[0, 1] = numpy.nan
    assert "network[0].weight: holds a NaN" in line([bad])
    assert not list(tmp_path.iterdir())
    assert "No such file" in line_of(lambda: env.save_policy(tmp_path / "no/policy.onnx", [first, middle, last]),
                                     stampede.Error)
