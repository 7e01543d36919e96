"""Arguments, checked: what is refused says what was wanted."""

import json
import math
import os

import numpy

from ._core import Error, InputError


def array(name, given, shape, dtype=numpy.float32, meaning=""):
    """`given` as a C-ordered array of that shape and type. Other numbers are converted; none is refused silently.

    `meaning` says what the axes are, as in "environments and actions".
    """
    wanted = f"{numpy.dtype(dtype)} {list(shape)}{f', {meaning},' if meaning else ''} would be right"
    device = getattr(given, "device", None)
    if device is not None and getattr(device, "type", str(device)) not in ("cpu",):
        raise InputError(f"{name}: the array lies on {device}; copy it to the host first: {wanted}")
    try:
        found = numpy.asarray(given)
    except Exception as error:  # whatever another library's array raises when it is converted
        raise InputError(f"{name}: {type(given).__name__} is no array ({error}); {wanted}") from None
    if found.dtype.kind not in "fiub":
        raise InputError(f"{name}: an array of type {found.dtype} is given; {wanted}")
    if found.shape != tuple(shape):
        raise InputError(f"{name}: an array of shape {list(found.shape)} is given; {wanted}")
    return numpy.ascontiguousarray(found, dtype=dtype)


def whole_number(name, given, least):
    """`given` as an int of at least `least`."""
    if isinstance(given, bool) or not isinstance(given, (int, numpy.integer)):
        raise InputError(f"{name}: {given!r} is no whole number; {least} or more would be right")
    if given < least:
        raise InputError(f"{name} {given} is out of range; it must be at least {least}")
    return int(given)


def toml(value, name):
    """A setting's value as TOML."""
    if isinstance(value, (bool, numpy.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, numpy.integer)):
        return str(int(value))
    if isinstance(value, (float, numpy.floating)):
        if math.isfinite(value):
            return repr(float(value))
        raise InputError(f"{name}: {value} is not finite; a number would be right")
    if isinstance(value, (str, os.PathLike)):
        return json.dumps(os.fspath(value))
    if isinstance(value, (list, tuple, numpy.ndarray)):
        return "[" + ", ".join(toml(each, name) for each in value) + "]"
    raise InputError(f"{name}: a value of type {type(value).__name__} is given; a number, a text, a truth value or a "
                     "list of them would be right")


def settings(given):
    """`set={"train.num_envs": 512}` as the program's --set takes it; tables in tables are joined by dots."""
    if given is None:
        return []
    if not isinstance(given, dict):
        raise InputError(f"set: {type(given).__name__} is given; a dictionary of settings, such as "
                         '{"train.num_envs": 512}, would be right')
    lines = []
    for key, value in given.items():
        if isinstance(value, dict):
            lines += [f"{key}.{line}" for line in settings(value)]
        else:
            lines.append(f"{key}={toml(value, f'set[{key!r}]')}")
    return lines


def keywords(**given):
    """Keyword arguments that are settings, those that are not None: `task="go2-flat"`."""
    keys = {"num_envs": "train.num_envs", "iterations": "train.iterations", "robot": "control.robot"}
    return [(keys.get(name, name), toml(value, name), name) for name, value in given.items() if value is not None]


def path(given):
    return "" if given is None else os.fspath(given)


class Closing:
    """What can be closed, once; everything else is refused from then on."""

    _kind = "object"
    _handle = None

    @property
    def _open(self):
        if self._handle is None:
            raise Error(f"the {self._kind} is closed; make a new one")
        return self._handle

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._handle is None

    def close(self):
        """Frees what the engine holds, once no array of it is in use any more."""
        self._handle = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
