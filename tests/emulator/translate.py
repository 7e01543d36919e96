#!/usr/bin/env python3
"""Makes plain C++ of CUDA sources: launches, shared variables, launch bounds. Lines stay where they are.

    translate.py FROM TO
"""
import re
import sys


def closing(text, at, opening, end):
    """The place of the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        if text[i] == opening:
            depth += 1
        elif text[i] == end:
            depth -= 1
            if depth == 0:
                return i
    raise SystemExit(f"unbalanced {opening}")


def callee_before(text, at):
    """Where the expression that ends before `at` begins: a name, perhaps with template arguments."""
    i = at
    while text[i - 1].isspace():
        i -= 1
    end = i
    if text[i - 1] == ">":
        depth = 0
        while True:
            i -= 1
            if text[i] == ">":
                depth += 1
            elif text[i] == "<":
                depth -= 1
                if depth == 0:
                    break
    while re.match(r"[\w:]", text[i - 1]):
        i -= 1
    return i, end


def rewrite_launches(text):
    out, done = [], 0
    for found in re.finditer(r"<<<", text):
        start, name_end = callee_before(text, found.start())
        end = text.index(">>>", found.end())
        callee, configuration = text[start:name_end], text[found.end():end]
        assert text[end + 3] == "(", "a launch without arguments in brackets"
        lines = text[start:end].count("\n") - callee.count("\n") - configuration.count("\n")
        out.append(text[done:start])
        out.append('::cuda_emulator::launch({"%s", __FILE__, __LINE__}, ::cuda_emulator::Configuration(%s), '
                   "[](const auto&... emulator_a) { %s(emulator_a...); })%s"
                   % (callee, configuration, callee, "\n" * lines))
        done = end + 3
    out.append(text[done:])
    return "".join(out)


def rewrite_shared(text):
    text = re.sub(r"extern\s+__shared__\s+(.+?)\s+(\w+)\[\];",
                  r"\1* const \2 = static_cast<\1*>(::cuda_emulator::dynamic_shared_memory());", text)
    return re.sub(r"__shared__\s+(.+?)\s+(\w+)((?:\[[^\]]*\])*);",
                  r'struct \2_emulated {}; auto& \2 = ::cuda_emulator::shared_variable<::std::type_identity_t<\1>\3, '
                  r'\2_emulated>("\2");', text)


def rewrite_bounds(text):
    while True:
        at = text.find("__launch_bounds__(")
        if at < 0:
            return text
        opening = text.index("(", at)
        close = closing(text, opening, "(", ")")
        most = text[opening + 1:close]
        parameters = text.index("(", close + 1)
        body = text.index("{", closing(text, parameters, "(", ")"))
        text = (text[:at] + text[close + 1:body + 1] + f" ::cuda_emulator::check_launch_bounds({most});"
                + text[body + 1:])


def main():
    source, target = sys.argv[1:]
    text = open(source).read()
    text = rewrite_launches(rewrite_shared(rewrite_bounds(text)))
    with open(target, "w") as out:
        if "#pragma once" in text:
            out.write("#pragma once\n")
            text = text.replace("#pragma once", "", 1)
        out.write(f'#line 1 "{source}"\n{text}')


main()
