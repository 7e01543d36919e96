"""The rooms of the tree: who may include whom, and how long a file may be. docs/architecture.md has the picture."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]

PLAIN = {"kernels", "envs", "host/base", "host/engine"}
# Each room with those that it may include; itself besides. The longest name that a path begins with is its room.
MAY_INCLUDE = {
    "kernels": set(),
    "envs": {"kernels"},
    "host/base": {"kernels"},
    "host/engine": {"kernels", "envs", "host/base"},
    "host/model": PLAIN,
    "host/task": PLAIN | {"host/model"},
    "host/cpu": {"kernels", "host/base", "host/engine"},
    "cuda": {"kernels", "host/base", "host/engine"},
    "host/simulate": PLAIN,
    "host/nets": {"kernels", "host/base", "host/engine"},
    "host/learn": PLAIN | {"host/simulate", "host/nets"},
    "host/modules": PLAIN | {"host/cpu", "host/simulate", "host/nets", "host/learn"},
    "cuda/module": PLAIN | {"cuda", "host/simulate", "host/nets", "host/learn"},
    "host/peers": PLAIN | {"host/model", "host/task"},
    "host/app": PLAIN | {"host/model", "host/task", "host/peers"},
    "python": PLAIN | {"host/model", "host/task", "host/app"},
}
SOURCES = [
    path
    for room in ("kernels", "envs", "host", "cuda", "python")
    for path in sorted((ROOT / room).rglob("*"))
    if path.suffix in {".hpp", ".cpp", ".cu", ".cuh", ".in", ".proto", ".py"}
]
LONGEST_FILE = 600  # lines


def room_of(path):
    rooms = [room for room in MAY_INCLUDE if path.startswith(room + "/")]
    assert rooms, f"{path} is in no room"
    return max(rooms, key=len)


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if found:
            yield number, found[1]


def test_arrows_between_rooms_go_down_only():
    wrong = []
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        room = room_of(name)
        for number, header in includes(path):
            to = room_of(header)
            if to != room and to not in MAY_INCLUDE[room]:
                wrong.append(f"{name}:{number}: {room} includes {to} ({header})")
    assert not wrong, "\n".join(wrong)


def test_the_list_of_rooms_has_no_circle():
    below = {room: set(others) for room, others in MAY_INCLUDE.items()}
    for _ in below:
        for room in below:
            below[room] |= set().union(*(below[other] for other in below[room]), set())
    assert not [room for room in below if room in below[room]]


def test_only_base_and_engine_are_for_all():
    """Of the rooms above the kernels and the tasks, nobody but these two is included by more than half of the others."""
    users = {room: set() for room in MAY_INCLUDE}
    for path in SOURCES:
        room = room_of(str(path.relative_to(ROOT)))
        for _, header in includes(path):
            users[room_of(header)].add(room)
    common = {room for room, by in users.items() if len(by - {room}) > len(MAY_INCLUDE) / 2}
    assert common <= PLAIN, common


def test_every_include_is_there():
    generated = {"host/base/build_info.hpp", "host/engine/interface.hpp"}
    missing = [
        f"{path.relative_to(ROOT)}:{number}: {header}"
        for path in SOURCES
        for number, header in includes(path)
        if not (ROOT / header).exists() and header not in generated and not header.endswith(".pb.h")
    ]
    assert not missing, "\n".join(missing)


def test_files_are_short():
    long = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for path in SOURCES
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    ]
    assert not long, "\n".join(long)
