"""Sums up the results that ctest wrote (JUnit XML): failures with their output, reasons of skips, and one last line.

usage: summarise.py --failed-steps N FILE...      Exit status 1 if anything failed.
A file's `python.NAME` is replaced by what pytest wrote in pytest/NAME.xml beside it, test by test.
"""

import argparse
import collections
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

OUTPUT_LINES = 60


def reason_of_skip(case):
    output = case.findtext("system-out") or ""
    found = re.search(r": Skipped\n(.+)", output) or re.search(r"\[  SKIPPED \] (.+)", output)
    return found.group(1).strip() if found else case.find("skipped").get("message", "no reason given")


def read(file):
    """Yields (name, verdict, text) of each test; the text is the output of a failure or the reason of a skip."""
    build = file.parent.name
    for case in ElementTree.parse(file).getroot().iter("testcase"):
        name = case.get("name")
        beside = file.parent / "pytest" / f"{name.removeprefix('python.')}.xml"
        if name.startswith("python.") and beside.exists():
            yield from read_pytest(beside, build, case)
            continue
        name = f"{build}: {name}"
        output = case.findtext("system-out") or ""
        if case.find("skipped") is not None and case.find("skipped").get("message", "").startswith("SKIP"):
            yield name, "skipped", reason_of_skip(case)
        elif case.get("status") == "run":
            yield name, "passed", ""
        else:  # failed, timed out, or its program could not be started
            yield name, "failed", output or "not run"


def read_pytest(file, build, ctest_case):
    tests = failed = 0
    for case in ElementTree.parse(file).getroot().iter("testcase"):
        tests += 1
        name = f"{build}: python: " + f"{case.get('classname')}.{case.get('name')}".lstrip(".")
        problem = case.find("failure") if case.find("failure") is not None else case.find("error")
        if problem is not None:
            failed += 1
            yield name, "failed", problem.text or problem.get("message", "")
        elif case.find("skipped") is not None:
            of_file = re.search(r"Skipped: (.*)['\"]\)", case.find("skipped").text or "")  # a whole file, when it was read
            yield name, "skipped", of_file[1] if of_file else case.find("skipped").get("message", "no reason given")
        else:
            yield name, "passed", ""
    if not tests or (ctest_case.get("status") == "fail" and not failed):  # no test collected, or a crash
        yield f"{build}: {ctest_case.get('name')}", "failed", ctest_case.findtext("system-out") or ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--failed-steps", type=int, default=0)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()

    count = collections.Counter(passed=0, failed=arguments.failed_steps, skipped=0)
    skips = collections.Counter()
    for file in arguments.files:
        for name, verdict, text in read(file):
            count[verdict] += 1
            if verdict == "failed":
                print(f"FAILED  {name}")
                print("\n".join("        " + line for line in text.strip().splitlines()[-OUTPUT_LINES:]))
            elif verdict == "skipped":
                program = re.split(r"[.]", name)[0] if ": python:" not in name else name.split(".")[0]
                skips[program, text] += 1
    for (program, reason), number in sorted(skips.items()):
        print(f"skipped {program}: {number}: {reason}")
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
