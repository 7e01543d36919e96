"""How fast go2-flat trains with its rewards and constraints written as formulas, beside its built-in terms, in turn.

    python bench/formulas.py build/release/stampede [--rounds 7] [--seconds 4] [--keep FOLDER]

The formulas take the place of both rewards and of all constraints that the built-in task has. Prints a line for each
round, and the medians; --keep leaves both configurations in a folder, to be profiled. The formulas are those of
tests/host/learn/formulas_test.cpp, which shows that they compute the same.
"""

import argparse
import json
import pathlib
import re
import statistics
import shutil
import subprocess
import tempfile

REWARDS = {
    "track_linear": "exp(-((command_x - velocity_x)^2 + (command_y - velocity_y)^2) / 0.25)",
    "track_angular": "exp(-(command_yaw - yaw_rate)^2 / 0.25)",
}
JOINTS = "JOINTS"  # stands for the choice of joints that the constraint has
CONSTRAINTS = {
    "joint_torque": f"joint_torque{JOINTS}",
    "joint_velocity": f"abs(joint_velocity{JOINTS})",
    "joint_acceleration": f"abs(joint_acceleration{JOINTS})",
    "action_rate": "abs(action - previous_action) / control_dt",
    "foot_force": "foot_force",
    "joint_position": f"abs(joint_position{JOINTS})",
    "joint_deviation": f"abs(joint_position{JOINTS} - joint_default{JOINTS})",
    "orientation": "sqrt(gravity_x^2 + gravity_y^2)",
    "upside_down": "gravity_z > 0",
    "body_contact": "body_force > 1",
    "air_time": "select(foot_touchdown, 0.25 - foot_air_time, 0)",
    "feet_down": "abs(sum(foot_contact) - 2)",
    "diagonal_feet": 'abs(sum(foot_contact["FL*"]) - sum(foot_contact["RR*"])) + '
                     'abs(sum(foot_contact["FR*"]) - sum(foot_contact["RL*"]))',
}
JUDGE_THEIR_OWN_LIMIT = ("upside_down", "body_contact", "air_time", "feet_down", "diagonal_feet")


def in_formulas(text):
    """A run's config.toml, its terms replaced by formulas."""

    def constraint(found):
        table = found[0]
        quantity = re.search(r'^quantity = "(\w+)"', table, re.MULTILINE)[1]
        joints = re.search(r"^joints = \[(.*?)\]", table, re.MULTILINE)[1]
        formula = CONSTRAINTS[quantity].replace(JOINTS, f"[{joints}]" if joints else "")
        table = re.sub(r"^quantity = .*$", lambda _: f"formula = '{formula}'", table, flags=re.MULTILINE)
        table = re.sub(r"^joints = .*\n", "", table, flags=re.MULTILINE)
        if quantity in JUDGE_THEIR_OWN_LIMIT:
            table = re.sub(r"^(limit|margin) = .*$", r"\1 = 0.0", table, flags=re.MULTILINE)
        return table

    text = re.sub(r"^\[constraints\.\w+\]\n(?:.+\n)+", constraint, text, flags=re.MULTILINE)
    for name, formula in REWARDS.items():
        weight = re.search(rf"^{name} = (\S+)", text, re.MULTILINE)[1]
        text = re.sub(rf"^{name} = .*\n", "", text, flags=re.MULTILINE)
        text += f"\n[rewards.{name}]\nweight = {weight}\nformula = '{formula}'\n"
    return text


def rate(program, config, seconds):
    said = subprocess.run([program, "bench", "train", "--config", config, "--device", "cpu", "--seconds", str(seconds),
                           "--json"], check=True, capture_output=True, text=True).stdout
    return json.loads(said)["steps_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--keep")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        # One iteration of a few robots, for the configuration that it writes.
        subprocess.run([given.program, "train", "--task", "go2-flat", "--iterations", "1", "--num-envs", "64", "--run", run,
                        "--set", "run.eval_episodes=1"], check=True, capture_output=True)
        text = re.sub(r"^num_envs = \d+", "num_envs = 2048", (run / "config.toml").read_text(), flags=re.MULTILINE)
        (run / "config.toml").write_text(text)
        (run / "formulas.toml").write_text(in_formulas(text))
        if given.keep:
            shutil.copytree(run, given.keep, dirs_exist_ok=True)
        rates = []
        for _ in range(given.rounds):
            built_in, formulas = (rate(given.program, run / f"{name}.toml", given.seconds) for name in ("config", "formulas"))
            rates.append((built_in, formulas, formulas / built_in))
            print(f"{built_in:,.0f} steps/s built in, {formulas:,.0f} as formulas: {100 * rates[-1][2]:.1f} %")
        built_in, formulas, share = (statistics.median(column) for column in zip(*rates))
        print(f"medians: {built_in:,.0f} and {formulas:,.0f} steps/s, share {100 * share:.1f} %")


if __name__ == "__main__":
    main()
