"""scripts/mutants: that its faults can still be planted in the sources, and what it makes of a run. Whether tests find its faults takes
long, and is not asked here."""

import fnmatch
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(name="found")
def mutants():
    loader = importlib.machinery.SourceFileLoader("mutants", str(ROOT / "scripts/mutants"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("mutants", loader))
    sys.modules["mutants"] = module  # where dataclasses look for it
    loader.exec_module(module)
    return module


def test_every_fault_is_planted_in_the_sources_as_they_are(found):
    texts = found.planted_texts()  # exits where a text is not there once
    for number, fault in found.FAULTS.items():
        planted = texts[fault.path]
        assert f"PLANTED({number})" in planted or f"PLANTED_ON_DEVICE({number})" in planted, number
        assert (ROOT / fault.path).read_text() != planted


def test_no_number_is_that_of_two_faults():
    numbers = re.findall(r"^    (\d+): Fault\(", (ROOT / "scripts/mutants").read_text(), re.M)
    assert len(numbers) == len(set(numbers)), sorted(number for number in numbers if numbers.count(number) > 1)


def test_the_tests_that_find_them_exist(found):
    sources = [*ROOT.glob("tests/cuda/*.c*"), *ROOT.glob("tests/emulator/*.c*")]
    named = re.compile(r"^TEST(?:_F)?\((\w+), (\w+)\)", re.M)
    tests = {".".join(match) for source in sources for match in named.findall(source.read_text())}
    for number, fault in found.FAULTS.items():
        for pattern in filter(None, fault.tests.split(":")):
            assert fnmatch.filter(tests, pattern), f"{number}: {pattern}"
            assert pattern.split(".")[0] in found.OBJECTS, f"{number}: {pattern}"
        assert bool(fault.tests) != bool(fault.why), f"{number}: tests that find it, or why there are none"


def test_objects_of_suites_are_made_of_sources(found):
    names = {source.name for source in [*ROOT.glob("cuda/**/*.cu"), *ROOT.glob("tests/cuda/*.cu")]}
    for suite, objects in found.OBJECTS.items():
        assert set(objects.split()) <= names, suite


def test_they_are_listed(found):
    process = subprocess.run([ROOT / "scripts/mutants", "--list"], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert len(process.stdout.splitlines()) == len(found.FAULTS)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["999"], "there is no fault 999; --list names them"),
        (["--table"], "--table prints results of a file that is there, which --out FILE names"),
        (["--table", "--out", "nothing"], "--table prints results of a file that is there, which --out FILE names"),
        (["--seconds", "0"], "--seconds 0: must be more than 0"),
        (["--table", "--out", "text"], "text, line 2: is no result of a fault, as --out writes it"),
    ],
)
def test_what_it_is_asked_wrongly_is_said_in_a_line(arguments, said, tmp_path):
    entry = {"fault": 1, "result": "found", "by": "A.B", "seconds": 1, "fingerprint": ""}
    (tmp_path / "text").write_text(json.dumps(entry) + "\n{}\n")
    process = subprocess.run([ROOT / "scripts/mutants", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert process.returncode == 2
    assert process.stderr == f"mutants: error: {said}\n"


def test_a_build_that_fails_is_said_in_a_line(found, tmp_path, monkeypatch, capfd):
    (tmp_path / "CMakeCache.txt").touch()
    (tmp_path / "compile_commands.json").write_text("[]")
    monkeypatch.setattr(found, "BUILD", tmp_path)
    monkeypatch.setattr(found, "WORK", tmp_path / "mutants")
    link = "c++ a.o -o modules/libstampede-cuda.so \nc++ a.o -o tests/cuda_tests "
    (tmp_path / "ninja").write_text(f'#!/bin/sh\ncase "$*" in *commands*) echo "{link}";; *deps*) ;; *) exit 1;; esac\n')
    (tmp_path / "ninja").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SystemExit) as ended:
        found.build([32])
    assert ended.value.code == 2
    said = f"the planted sources in {tmp_path}/mutants were not compiled to their end; ninja says above why"
    assert capfd.readouterr().err == f"mutants: error: {said}\n"


def test_without_the_emulated_tests_it_says_who_makes_them(found, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(found, "BUILD", tmp_path)
    monkeypatch.setattr(sys, "argv", ["mutants", "1"])
    with pytest.raises(SystemExit) as ended:
        found.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"mutants: error: {tmp_path} has no emulated CUDA tests; scripts/test makes them\n"


def program(found, tmp_path, monkeypatch, body):
    """Stands in for cuda_tests: a shell's script, which knows the fault's number as PLANTED."""
    file = tmp_path / "cuda_tests"
    file.write_text("#!/bin/sh\n" + body)
    file.chmod(0o755)
    monkeypatch.setattr(found, "WORK", tmp_path)


FAILS = "echo '[ RUN      ] A.B'; [ $PLANTED = 0 ] && exit 0; echo '[  FAILED  ] A.B (3 ms)'; exit 1\n"


@pytest.mark.parametrize(
    "body, result, by",
    [
        (FAILS, "found", "A.B"),
        ("exit 0\n", "NOT FOUND", ""),
        ("exit 1\n", "FAILS WITHOUT", ""),
        # Signal 11, which GoogleTest cannot report: the test that had begun.
        ("echo '[ RUN      ] A.B'; [ $PLANTED = 0 ] || kill -11 $$\n", "found", "A.B"),
        # It waits for ever, and it works for ever.
        ("[ $PLANTED = 0 ] || exec sleep 600\n", "found", "it does not end in"),
        ("echo '[ RUN      ] A.B'; while [ $PLANTED != 0 ]; do :; done\n", "found", "A.B: it takes more than 1 s of processor time"),
        # A limit that the tests reach without a fault says nothing of the fault.
        ("exec sleep 600\n", "NOT KNOWN", "without it the tests take more than"),
    ],
)
def test_what_a_run_shows(found, tmp_path, monkeypatch, body, result, by):
    program(found, tmp_path, monkeypatch, body)
    monkeypatch.setattr(found, "LEAST_SECONDS", 1)
    seconds = 60 if "of processor time" in by else 2
    got, why = found.try_fault(1, {}, seconds)
    assert got == result
    assert why.startswith(by) if by else why == ""


def test_a_limit_soon_after_the_time_without_a_fault_is_no_finding(found):
    sound = found.Run(True, "", 3.0, 3.0)
    assert found.judge(sound, found.Run(False, "", 0.1, 14.9, ended=False))[0] == "NOT KNOWN"
    assert found.judge(sound, found.Run(False, "", 0.1, 15.0, ended=False))[0] == "found"


def test_what_was_found_is_not_tried_again(found, tmp_path, monkeypatch, capsys):
    program(found, tmp_path, monkeypatch, "echo ran $PLANTED >> runs\n" + FAILS)
    for name in ("plant", "build"):
        monkeypatch.setattr(found, name, lambda *_: None)
    monkeypatch.setattr(found, "BUILD", tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/cuda_tests").touch()
    (tmp_path / "emulated").mkdir()
    out = tmp_path / "results"

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["mutants", "--out", str(out), *arguments])
        (tmp_path / "runs").write_text("")
        status = found.main()
        return status, (tmp_path / "runs").read_text().split("\n")[:-1]

    assert run("1", "2", "32") == (0, ["ran 0", "ran 1", "ran 2"])
    assert run("1", "2", "3") == (0, ["ran 0", "ran 3"])
    lines = out.read_text().splitlines()
    assert [json.loads(line)["result"] for line in lines] == ["found", "found", "cannot be seen", "found"]
    # Not where it has changed since, and not where it was not found.
    second = json.loads(lines[1])
    out.write_text("\n".join([*lines, json.dumps({**second, "fingerprint": "another"})]) + "\n")
    assert run("1", "2") == (0, ["ran 0", "ran 2"])
    first = json.loads(lines[0])
    out.write_text(json.dumps({**first, "result": "NOT FOUND"}) + "\n")
    assert run("1") == (0, ["ran 0", "ran 1"])
    capsys.readouterr()
    assert run("--table") == (0, [])
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == len(found.FAULTS) + 2
    assert rows[2].startswith("| 1: apply_slopes: no barrier before the sums | `cuda/mlp.cu` | found | A.B | ")
    assert "| not run |" in rows[3]
