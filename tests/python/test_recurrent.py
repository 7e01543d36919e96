"""Networks with gated recurrent units, forward and backward through time, against JAX in double precision."""

import jax
import jax.numpy as jnp
import kernels
import numpy as np
import pytest

jax.config.update("jax_enable_x64", True)

DEFAULT = dict(modules="gru,dense", inputs=5, outputs=3, gru=24, hidden="17", sequences=4, steps=24)


def drawn(s, seed):
    """Parameters as {module: [arrays]}, in the order in which they lie, and the rows; all float32."""
    random = np.random.default_rng(seed)

    def array(*shape, scale=1.0):
        return np.float32(random.uniform(-scale, scale, shape))

    width, units, modules = s["inputs"], s["gru"], []
    for kind in s["modules"].split(","):
        if kind == "gru":
            modules.append([array(3 * units, width, scale=1 / np.sqrt(width)),
                            array(3 * units, units, scale=2 / np.sqrt(units)), array(3 * units), array(3 * units)])
            width = units
        else:
            sizes = [width, *map(int, s["hidden"].split(",")), s["outputs"]]
            modules.append([part for i, o in zip(sizes, sizes[1:])
                            for part in (array(o, i, scale=1.5 / np.sqrt(i)), array(o, scale=0.3))])
    rows = (s["sequences"], s["steps"])
    goes_on = np.float32(random.uniform(size=rows) > 0.15)
    goes_on[:, 0] = 1
    states = [array(s["sequences"], units) for kind in s["modules"].split(",") if kind == "gru"]
    return modules, array(*rows, s["inputs"], scale=2), goes_on, states, array(*rows, s["outputs"])


def gru(parameters, x, h):
    """One step, as the documentation of PyTorch's GRU has it."""
    weight_ih, weight_hh, bias_ih, bias_hh = parameters
    of_x = jnp.split(x @ weight_ih.T + bias_ih, 3, axis=-1)
    of_h = jnp.split(h @ weight_hh.T + bias_hh, 3, axis=-1)
    reset = jax.nn.sigmoid(of_x[0] + of_h[0])
    update = jax.nn.sigmoid(of_x[1] + of_h[1])
    new = jnp.tanh(of_x[2] + reset * of_h[2])
    return (1 - update) * new + update * h


def forward(modules, x, goes_on, states):
    """Outputs [sequence, step, outputs] and the last states."""
    layers = list(zip(modules[-1][::2], modules[-1][1::2]))

    def step(before, now):
        y, goes_on = now
        after = []
        for parameters, h in zip(modules[:-1], before):
            y = gru(parameters, y, h * goes_on[:, None])
            after.append(y)
        for weight, bias in layers[:-1]:
            y = jnp.tanh(y @ weight.T + bias)
        return after, y @ layers[-1][0].T + layers[-1][1]

    last, outputs = jax.lax.scan(step, list(states), (x.swapaxes(0, 1), goes_on.T))
    return outputs.swapaxes(0, 1), last


@jax.jit
def reference(modules, x, goes_on, states, delta):
    def loss(parameters):
        outputs, last = forward(parameters, x, goes_on, states)
        return jnp.sum(outputs * delta), (outputs, last)

    return jax.grad(loss, has_aux=True)(modules)


@pytest.mark.parametrize("change", [
    {},
    dict(modules="gru,gru,dense"),
    dict(gru=64, inputs=48, outputs=12, hidden="64,32", sequences=8, steps=12),
    dict(gru=1, inputs=1, outputs=1, hidden="1"),
    dict(gru=33, sequences=1, steps=96),
    dict(gru=100, sequences=33, steps=1),
])
@pytest.mark.parametrize("seed", [1, 2])
def test_outputs_states_and_gradients(change, seed):
    settings = {**DEFAULT, **change}
    modules, x, goes_on, states, delta = drawn(settings, seed)
    got = kernels.network([*sum(modules, []), x, goes_on, np.concatenate(states, axis=1), delta], **settings)
    slopes, (outputs, last) = reference(*jax.tree.map(jnp.float64, (modules, x, goes_on, states, delta)))
    at = 0
    for name, want in [("outputs", outputs), ("states", jnp.concatenate(last, axis=1)),
                       *((f"gradient {i}", array) for i, array in enumerate(jax.tree.leaves(slopes)))]:
        want = np.asarray(want).ravel()
        part = got[at:at + want.size]
        at += want.size
        scale = np.linalg.norm(want)
        assert scale > 1e-3, f"{name} that vanishes says nothing"
        error = np.linalg.norm(part - want) / scale
        print(f"{name}: relative error {error:.1e}")
        assert error <= 1e-5, (name, error)
    assert at == got.size
