"""What the site has besides docs/*.md: the README as its front page, every setting, references of the Python package and
of the C++ library (reference.py), and the sources that pages link to.

Pages are written for a reader of the repository: they link to files beside them. Here a link to a source becomes one to
a page of the site with that source; one to a folder, to a page that lists its files.
"""

import json
import os
import pathlib
import posixpath
import re
import subprocess
import sys

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import reference  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# Pages of the repository that lie elsewhere, and where the site has them.
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LANGUAGES = {".hpp": "cpp", ".cpp": "cpp", ".cu": "cpp", ".cuh": "cpp", ".py": "python", ".toml": "toml", ".xml": "xml", ".cmake": "cmake"}
LINK = re.compile(r"(?<!!)\[((?:[^][]|\[[^]]*\])*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)

# {file or folder, relative to the repository: its page on the site}; filled while pages are read.
sources = {}


def page_of(target):
    """The site's page for a file or folder of the repository."""
    if target in PAGES:
        return PAGES[target]
    path = ROOT / target
    if path.is_relative_to(DOCS) and path.is_file() and path.suffix in (".md", ".png", ".gif"):
        return path.relative_to(DOCS).as_posix()
    if path == DOCS / "results":
        return "results/index.md"
    if path.suffix == ".png":
        return None  # a picture outside docs/, shown where it lies
    sources[target] = f"source/{target}/index.md" if path.is_dir() else f"source/{target}.md"
    return sources[target]


def for_site(text, where, page):
    """The text of the repository's file `where` as the text of the site's `page`, its links leading to the site's pages."""

    def link(match):
        words, target = match.groups()
        target, hash_, anchor = target.partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(where), target))
        if not (ROOT / target).exists():
            raise PluginError(f"{where}: no such file: {target}")
        there = page_of(target)
        if there is None:
            return words
        return f"[{words}]({posixpath.relpath(there, posixpath.dirname(page) or '.')}{hash_}{anchor})"

    def pictures(text):
        here = posixpath.dirname(page) or "."
        return re.sub(r"!\[([^]]*)\]\(docs/([^)]+)\)", lambda m: f"![{m[1]}]({posixpath.relpath(m[2], here)})", text)

    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [pictures(LINK.sub(link, text[end : fence.start()])), fence[0]]
        end = fence.end()
    return "".join(parts) + pictures(LINK.sub(link, text[end:]))


def what_it_is(file):
    r"""The first sentence of a source's `\file` comment, for lists."""
    head = file.read_text(errors="ignore")[:1000] if file.suffix in (".hpp", ".cpp", ".cuh", ".cu") else ""
    found = re.search(r"\\file ((?:.|\n(?=/// \S))*)", head)
    words = re.sub(r"\s*\n/// ", " ", found[1]) if found else ""
    return re.split(r"(?<=\.)\s", words)[0].rstrip(":")


def source_page(target):
    path = ROOT / target
    if not path.is_dir():
        text = path.read_text()
        fence = "`" * 4 if "```" in text else "```"
        return f"# {target}\n\n{fence}{LANGUAGES.get(path.suffix, 'text')} linenums=\"1\"\n{text}\n{fence}\n"
    entries = sorted(p for p in path.iterdir() if not p.name.startswith((".", "__")))
    rows = [f"| `{p.name}{'/' if p.is_dir() else ''}` | {what_it_is(p)} |" for p in entries]
    return f"# {target}/\n\n| | |\n|---|---|\n" + "\n".join(rows) + "\n"


def results_page():
    lines = ["# Figures", "", "Each with its command, commit, machine and seed.", ""]
    for file in sorted((DOCS / "results").glob("*.md")):
        title = re.search(r"^# (.*)$", file.read_text(), re.MULTILINE)[1]
        lines.append(f"- [{title}]({file.name}) `{file.stem}`")
    return "\n".join(lines) + "\n"


def settings_page():
    """Every setting, as `stampede list --settings` tells it of two tasks that have all tables between them."""
    program = os.environ.get("STAMPEDE_PROGRAM", ROOT / "build/release/stampede")
    tables = {}
    for task in (["go2-parkour-depth", "--algo", "online"], ["pendulum-pixels"]):
        command = [program, "list", "--json", "--settings", *task]
        try:
            said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        except (OSError, subprocess.CalledProcessError) as failure:
            raise PluginError(f"settings.md needs the program (STAMPEDE_PROGRAM, or build/release/stampede): {failure}") from failure
        for setting in said["settings"]:
            table, key = setting["key"].rsplit(".", 1)
            if table.startswith("constraints."):
                table = "constraints.NAME"
            tables.setdefault(table, {}).setdefault(key, setting)
    lines = ["# Every setting", "", "In a TOML file (`--config`), in a task's file, or with `--set table.key=value`. The values are those of "
             "`go2-parkour-depth`, taught by `online`, and for `environment` and `pixels` those of `pendulum-pixels`; of any other task:",
             "", "```", "build/release/stampede list --settings go2-flat", "```", ""]
    for table, settings in tables.items():
        lines += [f"## {table}", "", "| key | what | allowed | here |", "|---|---|---|---|"]
        for key, setting in settings.items():
            cells = [f"`{key}`", setting["meaning"], setting["allowed"], f"`{setting['value']}`"]
            lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("*", "\\*") if i in (1, 2) else cell for i, cell in enumerate(cells)) + " |")
        lines.append("")
    return "\n".join(lines)


def on_files(files, config):
    sources.clear()
    generated = {"results/index.md": results_page(), "settings.md": settings_page(),
                 "reference_python.md": reference.python_page(), "reference_cpp.md": reference.cpp_page()}
    for where, page in PAGES.items():
        generated[page] = for_site((ROOT / where).read_text(), where, page)
    texts = {}
    for file in files.documentation_pages():
        if file.generated_by is None:
            texts[file.src_uri] = for_site(pathlib.Path(file.abs_src_path).read_text(), f"docs/{file.src_uri}", file.src_uri)
    for target, page in sources.items():
        generated[page] = source_page(target)
    for page, text in {**texts, **generated}.items():
        if (old := files.get_file_from_path(page)) is not None:
            files.remove(old)
        files.append(File.generated(config, page, content=text))
    return files
