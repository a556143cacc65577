"""A torch module trained as a pure function: ``jax.jit``, ``jax.grad`` and optax do the rest.

``jtorch.to_jax(module)`` gives ``apply(params, buffers, *inputs)``, and the parameters and buffers as JAX arrays;
``apply`` returns the output and the buffers as the call left them.

    python examples/pure_function.py [folder for the plot] [steps]
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from _picture import output, plot, rounds, write_png
from sklearn.datasets import load_digits

import jtorch
import jtorch.nn as nn

data = load_digits()
order = np.random.RandomState(0).permutation(len(data.target))
x, y = jnp.asarray(data.images[order] / 16, jnp.float32)[:, None], jnp.asarray(data.target[order])

jtorch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10))
apply, params, buffers = jtorch.to_jax(model)
optimizer = optax.adamw(optax.warmup_cosine_decay_schedule(0.0, 5e-3, 50, 400))
state = optimizer.init(params)


@jax.jit
def step(params, state, x, y):
    def loss_of(params):
        logits, _ = apply(params, buffers, x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    loss, grads = jax.value_and_grad(loss_of)(params)
    updates, state = optimizer.update(grads, state, params)
    return optax.apply_updates(params, updates), state, loss


losses = []
steps = rounds(400)
for i in range(steps):
    chosen = np.random.RandomState(i).randint(0, 1437, 64)
    params, state, loss = step(params, state, x[chosen], y[chosen])
    losses.append(float(loss))
    if i % 100 == 99:
        print(f"step {i + 1}  loss {losses[-1]:.4f}")

logits, _ = apply(params, buffers, x[1437:])
accuracy = float((logits.argmax(1) == y[1437:]).mean())
print(f"validation accuracy {100 * accuracy:.2f} %")
write_png(output("pure_function.png"), plot([(range(steps), losses)]))
assert accuracy > 0.95 or steps < 400
