"""`stampede play`: a robot let fall, as a picture or a film."""

import shutil
import subprocess

import numpy as np
import PIL.Image
import pytest
from program import refused, run_json

SMALL = ["--width", 96, "--height", 64]


def frames_of(path):
    """All frames of a picture or GIF, [frame, height, width, 3]."""
    with PIL.Image.open(path) as image:
        frames = []
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGB")).astype(int))
    return np.stack(frames)


def test_a_strip_of_six_moments(tmp_path):
    out = tmp_path / "go2.png"
    said = run_json("play", "--robot", "go2", "--out", out, *SMALL)
    assert said["command"] == "play" and said["out"] == str(out) and said["robot"] == "go2"
    assert said["frames"] == 6 and said["nonfinite"] == 0 and said["contacts_over_slots"] == 0
    (strip,) = frames_of(out)
    assert strip.shape == (64, 6 * 96, 3)
    moments = np.split(strip, 6, axis=1)
    assert np.abs(moments[0] - moments[1]).max() > 100  # it falls


@pytest.mark.parametrize("robot", ["bolt", "hexapod", "cartpole"])
def test_other_robots(tmp_path, robot):
    out = tmp_path / "strip.png"
    run_json("play", "--robot", robot, "--out", out, "--seconds", 1, *SMALL)
    assert frames_of(out).std() > 5


@pytest.mark.parametrize("kind", ["stairs-up", "rough,gap"])
def test_on_terrain(tmp_path, kind):
    out = tmp_path / "strip.png"
    run_json("play", "--robot", "go2", "--terrain", kind, "--out", out, "--seconds", 1, *SMALL)
    run_json("play", "--robot", "go2", "--out", tmp_path / "flat.png", "--seconds", 1, *SMALL)
    assert np.abs(frames_of(out) - frames_of(tmp_path / "flat.png")).mean() > 5  # there is other ground


def test_terrain_of_no_kind(tmp_path):
    line = refused("play", "--robot", "go2", "--terrain", "stair-up", "--out", tmp_path / "a.png")
    assert "no kind 'stair-up'; did you mean 'stairs-up'?" in line
    assert not list(tmp_path.iterdir())


def test_a_gif_and_its_seed(tmp_path):
    films = []
    for name, seed in [("a", 3), ("b", 3), ("c", 4)]:
        said = run_json("play", "--robot", "solo12", "--out", tmp_path / f"{name}.gif", "--seconds", 0.4, "--seed", seed,
                        "--fps", 50, *SMALL)
        assert said["frames"] == 21
        films.append((tmp_path / f"{name}.gif").read_bytes())
    frames = frames_of(tmp_path / "a.gif")
    assert frames.shape == (21, 64, 96, 3)
    assert np.abs(frames[0] - frames[-1]).max() > 100
    assert films[0] == films[1] and films[0] != films[2]


def test_the_file_is_named_after_the_robot(tmp_path):
    said = run_json("play", "--robot", "bolt", "--seconds", 0.1, *SMALL, cwd=tmp_path)
    assert said["out"] == "bolt.gif" and (tmp_path / "bolt.gif").stat().st_size > 0


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_an_mp4(tmp_path):
    out = tmp_path / "go2.mp4"
    assert run_json("play", "--robot", "go2", "--out", out, "--seconds", 0.4, *SMALL)["frames"] == 11
    raw = subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-i", out, "-f", "rawvideo", "-pix_fmt", "rgb24",
                          "-"], check=True, capture_output=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, 64, 96, 3).astype(int)
    assert len(frames) == 11 and np.abs(frames[0] - frames[-1]).max() > 80


def test_a_file_is_not_overwritten_unasked(tmp_path):
    out = tmp_path / "a.png"
    out.write_text("mine")
    assert "--force" in refused("play", "--robot", "bolt", "--out", out, *SMALL)
    assert out.read_text() == "mine"
    run_json("play", "--robot", "bolt", "--out", out, "--force", "--seconds", 0.1, *SMALL)
    assert frames_of(out).size > 0


@pytest.mark.parametrize("flags, parts", [
    (["--out", "a.jpeg"], ["a.jpeg", ".png, .gif or .mp4"]),
    (["--width", 8], ["--width 8", "16 to 4096"]),
    (["--fps", "nan"], ["--fps nan", "1 to 100"]),
    (["--seconds", 0], ["--seconds 0", "above 0"]),
    (["--seed", "x"], ["--seed", "x"]),
    (["--robot", "no-such-robot"], ["no-such-robot"]),
])
def test_mistakes_are_named(tmp_path, flags, parts):
    robot = [] if "--robot" in flags else ["--robot", "bolt"]
    line = refused("play", *robot, *flags, cwd=tmp_path)
    for part in parts:
        assert part in line
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path):
    assert "absent" in refused("play", "--robot", "bolt", "--out", tmp_path / "absent" / "a.gif", "--seconds", 0.1, *SMALL)


def test_without_ffmpeg_the_package_is_named(tmp_path):
    line = refused("play", "--robot", "bolt", "--out", tmp_path / "a.mp4", "--seconds", 0.1, *SMALL,
                   env={"PATH": str(tmp_path)}, cwd=tmp_path)
    assert "install the package ffmpeg" in line


def test_a_task_without_a_robot_is_drawn_as_a_sketch(tmp_path):
    run = tmp_path / "run"
    run_json("train", "--task", "cartpole-swingup", "--num-envs", 16, "--iterations", 1, "--run", run)
    said = run_json("play", "--run", run, "--seconds", 2, "--out", tmp_path / "a.png", *SMALL)
    assert said["frames"] == 6 and said["task"] == "cartpole-swingup"
    (strip,) = frames_of(tmp_path / "a.png")
    assert strip.shape == (64, 6 * 96, 3)
    moments = np.split(strip, 6, axis=1)
    assert np.abs(moments[0] - moments[5]).max() > 100  # it moves
    for moment in moments:
        assert ((moment[..., 2] - moment[..., 0]) > 60).any()  # the cart is there in all of them
    assert "follows none" in refused("play", "--run", run, "--command", 1, 0, 0, "--out", tmp_path / "b.png", *SMALL)


def test_a_file_may_extend_a_task_that_is_compiled_in(tmp_path):
    task = tmp_path / "moon.toml"
    task.write_text('extends = "pendulum"\nsummary = "on the moon"\n[environment]\ngravity = 1.62\n')
    run = tmp_path / "run"
    said = run_json("train", "--task", task, "--num-envs", 16, "--iterations", 2, "--run", run)
    assert said["task"] == "moon" and said["metrics"]["iteration"] == 2 and "kl" in said["metrics"]
    task.unlink()  # the run's configuration says it all
    assert run_json("eval", "--run", run, "--episodes", 4)["task"] == "moon"
    run_json("play", "--run", run, "--seconds", 0.5, "--out", tmp_path / "a.png", *SMALL)
    task.write_text('extends = "pendulm"\n')
    assert "did you mean 'pendulum'?" in refused("train", "--task", task, "--run", tmp_path / "other")
