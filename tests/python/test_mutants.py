"""scripts/mutants: that its faults can still be planted in the sources. Whether tests find them takes long, and is not asked here."""

import importlib.machinery
import importlib.util
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def mutants():
    loader = importlib.machinery.SourceFileLoader("mutants", str(ROOT / "scripts/mutants"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("mutants", loader))
    sys.modules["mutants"] = module  # where dataclasses look for it
    loader.exec_module(module)
    return module


def test_every_fault_is_planted_in_the_sources_as_they_are():
    found = mutants()
    texts = found.planted_texts()  # exits where a text is not there once
    for number, fault in found.FAULTS.items():
        planted = texts[fault.path]
        assert f"PLANTED({number})" in planted or f"PLANTED_ON_DEVICE({number})" in planted, number
        assert (ROOT / fault.path).read_text() != planted


def test_they_are_listed():
    process = subprocess.run([ROOT / "scripts/mutants", "--list"], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert len(process.stdout.splitlines()) == len(mutants().FAULTS)
