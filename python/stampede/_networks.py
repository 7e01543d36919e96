"""Networks that other libraries trained, as policies' files."""

import os

import numpy

from . import _arguments, _core
from ._core import InputError

_ACTIVATIONS = {"ELU": "elu", "Tanh": "tanh", "ReLU": "relu", "SiLU": "silu"}  # PyTorch's classes
_LARGEST = float(numpy.finfo(numpy.float32).max)
_LEAST_DEVIATION = numpy.float32(1e-4)  # a policy's file holds variances, to which 1e-8 is added: inverse_deviation in kernels/control.hpp


def _numbers(name, given, shape=None):
    """A tensor or an array as finite float32, of that shape where one is given."""
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    array = _arguments.array(name, given, numpy.shape(given) if shape is None else shape)
    if not numpy.isfinite(array).all():
        raise InputError(f"{name}: holds a NaN or an infinity; finite numbers would be right")
    return array


def _dense_layers(network, observations, actions):
    """The activation, and (outputs, inputs, weight, bias) of each layer."""
    wanted = "a torch.nn.Sequential of Linear with an ELU, Tanh, ReLU or SiLU between each two would be right"
    layers, activations = [], []
    for number, module in enumerate(network):
        name, kind = f"network[{number}]", type(module).__name__
        if len(layers) == len(activations):
            weight = getattr(module, "weight", None)
            if weight is None or getattr(module, "bias", None) is None or len(weight.shape) != 2:
                raise InputError(f"{name}: {kind} stands where a layer with weights and biases is wanted; {wanted}")
            inputs = layers[-1][0] if layers else observations
            weight = _numbers(f"{name}.weight", weight)
            if weight.shape[1] != inputs:
                raise InputError(f"{name}: has {weight.shape[1]} inputs; {inputs}, as many as "
                                 f"{'the layer before has outputs' if layers else 'the policy sees'}, would be right")
            bias = _numbers(f"{name}.bias", module.bias, weight.shape[:1])
            layers.append((*weight.shape, weight.ravel().tolist(), bias.tolist()))
        else:
            activations.append(_ACTIVATIONS.get(kind))
            if activations[-1] is None or getattr(module, "alpha", 1.0) != 1.0:
                raise InputError(f"{name}: {kind} cannot be written; {wanted}")
            if activations[-1] != activations[0]:
                raise InputError(f"{name}: {kind} follows {activations[0]}; the same everywhere would be right")
    if not layers or len(layers) == len(activations):
        raise InputError(f"network: does not end with a layer; {wanted}")
    if layers[-1][0] != actions:
        raise InputError(f"network: has {layers[-1][0]} outputs; {actions}, one for each action, would be right")
    return activations[0] if activations else "elu", layers


def write_policy(task, path, network, mean, deviation, clip):
    """VectorEnv.save_policy, which says what the arguments are; task: that of the extension."""
    path = _arguments.path(path)
    if os.path.splitext(path)[1] not in (".onnx", ".safetensors"):
        raise InputError(f"save_policy: the ending of '{path}' says nothing; .onnx or .safetensors would be right")
    size = len(task.observation_names(task.groups[0]))
    activation, layers = _dense_layers(network, size, len(task.action_names))
    mean = numpy.zeros(size, numpy.float32) if mean is None else _numbers("mean", mean, (size,))
    deviation = numpy.ones(size, numpy.float32) if deviation is None else _numbers("deviation", deviation, (size,))
    if (deviation < _LEAST_DEVIATION).any():
        raise InputError(f"deviation: {deviation.min():g} is out of range; {_LEAST_DEVIATION:g} or more would be right")
    if clip is not None and not clip > 0:
        raise InputError(f"clip: {clip} is out of range; a number above 0, or None, would be right")
    _core.write_policy(task, path, layers, activation, mean.tolist(), deviation.tolist(),
                       _LARGEST if clip is None else min(float(clip), _LARGEST))
