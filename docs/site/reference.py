"""Reference pages, from what the sources say of themselves: the package's docstrings, and the headers' doc comments."""

import ast
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "stampede"
# Modules that are imported by name, with what they are for.
MODULES = ["rsl_rl", "cleanrl", "view"]
# What a program that uses the library needs, in the order in which it meets them.
HEADERS = [
    "host/task/settings.hpp",
    "host/task/settings_io.hpp",
    "host/task/planned_task.hpp",
    "host/engine/loader.hpp",
    "host/engine/engine.hpp",
    "host/engine/vector_environment.hpp",
    "host/engine/simulation.hpp",
    "host/engine/policy.hpp",
    "host/engine/standalone_policy.hpp",
    "host/engine/task_spec.hpp",
    "host/engine/training_request.hpp",
    "host/engine/robot_model.hpp",
    "host/engine/metrics.hpp",
    "host/engine/tensor.hpp",
    "host/model/robot/load.hpp",
    "host/app/session/training.hpp",
    "host/app/session/evaluate.hpp",
    "host/app/export/onnx.hpp",
    "host/app/export/policy_file.hpp",
    "host/base/error.hpp",
]


def plain(text):
    """Text as Markdown that shows it as it is; what is in backticks stays, indented lines are code."""
    lines = []
    for line in text.splitlines():
        if line.startswith("    "):
            lines.append(line)
            continue
        parts = re.split(r"(``[^`]+``|`[^`]+`)", line)
        lines.append("".join(p if p.startswith("`") else re.sub(r"([\[\]<>*_|])", r"\\\1", p) for p in parts))
    return "\n".join(lines)


def signature(function, name, bound):
    arguments = function.args
    if bound:
        arguments.args = arguments.args[1:]
    while arguments.args and arguments.args[-1].arg.startswith("_"):  # the package's own
        arguments.args.pop()
        arguments.defaults.pop()
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return f"{name}({ast.unparse(arguments)}){returns}"


def documented(node, name):
    text = ast.get_docstring(node)
    if not text:
        raise ValueError(f"{name} has no docstring; one line that says what it does would be right")
    return text


def python_class(node, module):
    lines = []
    begin = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    head = signature(begin, f"{module}.{node.name}", True) if begin else f"{module}.{node.name}"
    lines += [f"## {node.name}", "", "```python", head, "```", "", plain(documented(node, node.name)), ""]
    for member in node.body:
        if isinstance(member, ast.Assign) and isinstance(member.value, ast.Call) and len(member.value.args) == 2:
            words = ast.literal_eval(member.value.args[1])
            lines += [f"**`{member.targets[0].id}`** {plain(words)}", ""]
        if not isinstance(member, ast.FunctionDef) or member.name.startswith("_"):
            continue
        decorators = [ast.unparse(d) for d in member.decorator_list]
        if any(d.endswith(".setter") for d in decorators):
            continue
        words = ast.get_docstring(member)
        is_property = "property" in decorators
        title = member.name if is_property else signature(member, member.name, True)
        lines += [f"**`{title}`** {plain(words)}" if words else f"**`{title}`**", ""]
    return lines


def python_page():
    """Everything public of the package, in the order of its `__all__`."""
    trees = {file.stem: ast.parse(file.read_text()) for file in sorted(PACKAGE.glob("*.py"))}
    found = {node.name: node for name, tree in trees.items() if name not in MODULES
             for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    package = trees["__init__"]
    names = next(ast.literal_eval(node.value) for node in package.body
                 if isinstance(node, ast.Assign) and node.targets[0].id == "__all__")
    lines = ["# Python reference", "", plain(documented(package, "stampede")), "",
             "Made from the package's docstrings; with examples: [From Python](python.md).", ""]
    for name in names:
        node = found.get(name)
        if node is None:  # of the compiled part: the errors, which the text above explains
            continue
        lines += describe(node, "stampede")
    for module in MODULES:
        lines += [f"# stampede.{module}", "", plain(documented(trees[module], module)), ""]
        for node in trees[module].body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_") and node.name != "main":
                lines += describe(node, f"stampede.{module}")
    return "\n".join(lines)


def describe(node, module):
    if isinstance(node, ast.ClassDef):
        return python_class(node, module)
    return [f"## {node.name}", "", "```python", signature(node, f"{module}.{node.name}", False), "```", "",
            plain(documented(node, node.name)), ""]


def without_bodies(code):
    """Declarations as their users see them: functions' bodies and what is private are left out."""
    made, i = "", 0
    while i < len(code):
        if code[i] == "{" and re.search(r"\)\s*(const|override|final|noexcept|->[^;{}]*|:[^{};]*|\s)*$", made):
            depth = 0
            while True:
                depth += {"{": 1, "}": -1}.get(code[i], 0)
                i += 1
                if depth == 0:
                    break
            made = re.sub(r"\)\s*:(?!:)\s[^;{}]*$", ")", made).rstrip() + ";"  # initialisers, too
            continue
        made += code[i]
        i += 1
    made = re.sub(r"^ (private|protected):\n.*?(?=^ public:|^\};)", "", made, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\n\n+\};", "\n};", made)


def name_of(code):
    code = re.sub(r"^template <.*?>\n?\s*", "", re.sub(r"//.*", "", code), flags=re.DOTALL).strip()
    code = re.sub(r"__attribute__\(\(.*?\)\)\s*", "", code)
    kind = re.match(r"(?:struct|class|enum class|enum|using)\s+(\w+)", code)
    other = kind or re.search(r"([\w~]+|operator\S+)\s*\(", code) or re.search(r"(\w+)\s*(?:\[[^]]*\])?\s*(?:=|;|\{)", code)
    return other[1] if other else ""


def entities(text):
    """(doc comment, declarations) of what a header's namespace has, but for what is only announced there."""
    body = text[text.index("namespace stampede {\n") + len("namespace stampede {\n") :]
    doc, code, depth, found = [], [], 0, []
    for line in body.splitlines():
        if depth == 0 and line.startswith("}"):
            break
        if depth == 0 and (line.startswith("///") or not line.strip()):
            if code:
                found.append((doc, code))
                doc, code = [], []
            doc = [*doc, line[4:]] if line.strip() else []
            continue
        if depth == 0 and line.startswith(("//", "#", "namespace")) and not code:
            doc = []
        depth += line.count("{") - line.count("}")
        code.append(line)
    if code:
        found.append((doc, code))
    found = [("\n".join(doc), "\n".join(code)) for doc, code in found]
    return [(doc, code) for doc, code in found if not re.fullmatch(r"((struct|class) \w+;\n?)+", code)]


def cpp_page():
    """The headers of the library that programs include first."""
    lines = ["# C++ reference", "",
             "What a program that is linked with `stampede::stampede` ([Build, test, add](contributing.md)) needs first, made from the headers' comments. "
             "Everything is in the namespace `stampede`. How the parts go together: [architecture.md](architecture.md).", ""]
    for header in HEADERS:
        text = (ROOT / header).read_text()
        about = re.search(r"^/// \\file ((?:.*\n)(?:///.*\n)*)", text, re.MULTILINE)
        about = re.sub(r"^/// ?", "", about[1], flags=re.MULTILINE).strip() if about else ""
        lines += [f"## {header}", "", plain(about), ""]
        for doc, code in entities(text):
            lines += [f"### {name_of(code)}", "", plain(doc), "", "```cpp", without_bodies(code), "```", ""]
    return "\n".join(lines)
