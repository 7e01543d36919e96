"""The gradient of a whole minibatch, networks and loss, against JAX in double precision."""

import jax
import jax.numpy as jnp
import kernels
import numpy as np
import pytest

jax.config.update("jax_enable_x64", True)

ACTIVATIONS = {"elu": jax.nn.elu, "tanh": jnp.tanh, "relu": jax.nn.relu, "silu": jax.nn.silu}
DEFAULT = dict(observations=5, actions=2, samples=300, chosen=203, actor="33,17", critic="20", activation="elu",
               surrogate="clipped_ratio", clip_value=1, normalise_advantages=1, clip_ratio=0.2, value_coefficient=0.7,
               entropy_coefficient=0.01, threads=2, image="", channels="", kernels="", strides="")
PICTURES = {**DEFAULT, "image": "2,9,12", "observations": 2 * 9 * 12, "channels": "16,32", "kernels": "3,2",
            "strides": "2,1", "actor": "17", "critic": "20"}


def numbers(settings, key):
    return [int(number) for number in settings[key].split(",")] if settings[key] else []


def network(random, settings, key, outputs):
    """Convolutions, weights [outputs][inputs][kernel][kernel], then dense layers, [outputs][inputs]."""
    layers, inputs = [], settings["observations"]
    if image := numbers(settings, "image"):
        inputs, height, width = image
        for channels, kernel, stride in zip(*(numbers(settings, key) for key in ("channels", "kernels", "strides"))):
            scale = 1 / np.sqrt(inputs * kernel * kernel)
            layers.append((np.float32(random.normal(0, scale, (channels, inputs, kernel, kernel))),
                           np.float32(random.normal(0, 0.2, channels))))
            inputs, height, width = channels, (height - kernel) // stride + 1, (width - kernel) // stride + 1
        inputs *= height * width
    sizes = [inputs, *numbers(settings, key), outputs]
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers.append((np.float32(random.normal(0, 1 / np.sqrt(inputs), (outputs, inputs))),
                       np.float32(random.normal(0, 0.2, outputs))))
    return layers


def forward(layers, x, settings):
    activation = ACTIVATIONS[settings["activation"]]
    convolutions = [layer for layer in layers if layer[0].ndim == 4]
    layers = layers[len(convolutions):]
    if convolutions:
        x = x.reshape(-1, *numbers(settings, "image"))
        for (weight, bias), stride in zip(convolutions, numbers(settings, "strides")):
            x = jax.lax.conv_general_dilated(x, jnp.asarray(weight, x.dtype), (stride, stride), "VALID")
            x = activation(x + bias[:, None, None])
        x = x.transpose(0, 2, 3, 1).reshape(len(x), -1)  # the channels of a pixel side by side
    for i, (weight, bias) in enumerate(layers):
        x = x @ weight.T + bias
        if i + 1 < len(layers):
            x = activation(x)
    return x


def log_density(u, mean, log_std):
    z = (u - mean) / jnp.exp(log_std)
    return jnp.sum(-0.5 * z * z - log_std - 0.5 * jnp.log(2 * jnp.pi), axis=-1)


def standardised(observation, mean, variance):
    return jnp.clip((observation - mean) / jnp.sqrt(variance + 1e-8), -10, 10)


def loss(parameters, data, s):
    """PPO's loss as its paper has it (with the clipped value loss of the baselines), or plain -A log pi."""
    x = standardised(data["observation"], data["observation_mean"], data["observation_variance"])
    log_std = parameters["log_std"]
    log_prob = log_density(data["output"], forward(parameters["actor"], x, s), log_std)
    advantage = data["advantage"]
    if s["normalise_advantages"]:
        advantage = (advantage - advantage.mean()) / jnp.sqrt(advantage.var() + 1e-8)
    if s["surrogate"] == "log_prob":
        total = -jnp.mean(advantage * log_prob)
    else:
        ratio = jnp.exp(log_prob - data["log_prob"])
        clipped = jnp.clip(ratio, 1 - s["clip_ratio"], 1 + s["clip_ratio"])
        total = -jnp.mean(jnp.minimum(ratio * advantage, clipped * advantage))
    if s["critic"]:
        v = forward(parameters["critic"], x, s)[:, 0]
        deviation = jnp.sqrt(data["value_variance"] + 1e-8)
        target = (data["returns"] - data["value_mean"]) / deviation
        old = (data["value"] - data["value_mean"]) / deviation
        error = (v - target) ** 2
        if s["clip_value"]:
            limited = old + jnp.clip(v - old, -s["clip_ratio"], s["clip_ratio"])
            error = jnp.maximum(error, (limited - target) ** 2)
        total += s["value_coefficient"] * 0.5 * jnp.mean(error)
    return total - s["entropy_coefficient"] * jnp.sum(log_std)


def drawn(settings, seed):
    """Parameters and a rollout's data, float32."""
    random = np.random.default_rng(seed)
    n, width, actions = settings["samples"], settings["observations"], settings["actions"]
    parameters = {"actor": network(random, settings, "actor", actions),
                  "critic": network(random, settings, "critic", 1) if settings["critic"] else [],
                  "log_std": np.float32(random.uniform(-0.7, 0.3, actions))}
    data = {"observation_mean": random.normal(0, 1, width), "observation_variance": random.uniform(0.2, 3, width),
            "value_mean": np.array(-20.0), "value_variance": np.array(90.0),
            "observation": random.normal(0, 1.5, (n, width)), "value": random.normal(-20, 8, n),
            "advantage": random.normal(1, 4, n), "returns": random.normal(-20, 8, n)}
    data["observation"][::7, 0] = 1e3  # some are limited to +-10
    data = {name: np.float32(value) for name, value in data.items()}
    x = standardised(data["observation"], data["observation_mean"], data["observation_variance"])
    mean = forward(parameters["actor"], np.float64(x), settings)
    data["output"] = np.float32(mean + np.exp(parameters["log_std"]) * random.normal(0, 1, (n, actions)))
    # Old probabilities around the new ones, so that ratios lie on both sides of the clip's bounds.
    log_prob = log_density(data["output"], mean, parameters["log_std"])
    data["log_prob"] = np.float32(log_prob + random.uniform(-0.5, 0.5, n))
    return parameters, data, random.permutation(n)[: settings["chosen"]].astype(np.uint32)


def compare(settings, seed=1):
    parameters, data, chosen = drawn(settings, seed)
    layers = [a for name in ("actor", "critic") for layer in parameters[name] for a in layer]
    moments = [np.float32([data["value_mean"], data["value_variance"]])]
    rollout = [data[name] for name in ("observation", "output", "log_prob", "value", "advantage", "returns")]
    got = kernels.gradient(layers + [parameters["log_std"], data["observation_mean"], data["observation_variance"]]
                           + moments + rollout + [chosen], **settings)

    whole = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), (parameters, data))
    of_samples = {"observation", "output", "log_prob", "value", "advantage", "returns"}
    picked = {name: value[chosen] if name in of_samples else value for name, value in whole[1].items()}
    slopes = jax.grad(loss)(whole[0], picked, settings)
    at = 0
    for name in ("actor", "critic", "log_std"):
        arrays = jax.tree.leaves(slopes[name])
        if not arrays:
            continue
        want = np.concatenate([np.asarray(a).ravel() for a in arrays])
        part = got[at:at + want.size]
        at += want.size
        scale = np.linalg.norm(want)
        assert scale > 1e-3, "a gradient that vanishes says nothing"
        error = np.linalg.norm(part - want) / scale
        print(f"{name}: relative error {error:.1e}")
        assert error <= 1e-5, (name, error)
    assert at == got.size


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation):
    compare({**DEFAULT, "activation": activation})


@pytest.mark.parametrize("change", [
    dict(surrogate="log_prob"),
    dict(surrogate="log_prob", critic=""),
    dict(clip_value=0),
    dict(normalise_advantages=0),
    dict(actor="128,64,32", critic="128,64,32", observations=48, actions=12, samples=2000, chosen=1999),
    dict(actor="5", critic="5,5", actions=1, observations=3),
    dict(samples=1, chosen=1, normalise_advantages=0, clip_value=0, surrogate="log_prob"),
    dict(samples=97, chosen=97),
    dict(actions=17),
])
def test_settings(change):
    compare({**DEFAULT, **change})


@pytest.mark.parametrize("activation", ["elu", "tanh", "silu"])  # at ReLU's kink floats and doubles may differ
def test_convolutions(activation):
    compare({**PICTURES, "activation": activation})


@pytest.mark.parametrize("change", [
    dict(channels="32", kernels="5", strides="3"),
    dict(image="1,16,16", observations=256, channels="16,16,16", kernels="4,3,2", strides="2,1,1", threads=1),
    dict(samples=97, chosen=97),
])
def test_convolutions_of_other_sizes(change):
    compare({**PICTURES, **change})


@pytest.mark.parametrize("seed", range(2, 7))
def test_seeds(seed):
    compare(DEFAULT, seed)
