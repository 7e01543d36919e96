"""The examples of docs/python.md, run one after the other as somebody who reads the page would."""

import os
import pathlib
import re

import pytest

pytest.importorskip("stampede", reason="built without STAMPEDE_PYTHON_PACKAGE")
ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_examples(tmp_path, monkeypatch, capsys):
    text = (ROOT / "docs/python.md").read_text()
    examples = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(examples) == text.count("```python") == 7
    examples = [example for example in examples if "rsl_rl" not in example]  # test_package_rsl_rl.py has it
    for folder in ("envs", "policies"):
        os.symlink(ROOT / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    names = {}
    for number, example in enumerate(examples, 1):
        exec(compile(example, f"docs/python.md, example {number}", "exec"), names)
    said = capsys.readouterr().out
    assert "did you mean 'go2-flat'" in said
    # What a comment promises is what is printed.
    promised = re.search(r"print\(error\) +# (.*)", text)[1]
    assert promised in said.splitlines()
