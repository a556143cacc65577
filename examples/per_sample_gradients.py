"""One gradient for each sample of a batch, with ``vmap`` over ``grad``, and differentially private SGD made of them.

Each sample's gradient is clipped to a norm of 1 before they are averaged and noise is added (Abadi et al., 2016).

    python -m jtorch examples/per_sample_gradients.py [folder for the plot] [epochs]
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from _digits import digits
from _picture import output, plot, rounds, write_png
from torch.func import functional_call, grad, vmap

torch.manual_seed(0)
x_train, y_train, x_val, y_val = digits()
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def loss_of(params, x, y):
    return F.cross_entropy(functional_call(model, params, (x.unsqueeze(0),)), y.unsqueeze(0))


params = {name: p.detach() for name, p in model.named_parameters()}
per_sample = vmap(grad(loss_of), in_dims=(None, 0, 0))

# Their mean is the ordinary gradient, and one of them is the gradient of one sample.
grads = per_sample(params, x_train[:32], y_train[:32])
F.cross_entropy(model(x_train[:32]), y_train[:32]).backward()
for name, p in model.named_parameters():
    assert grads[name].shape == (32, *p.shape)
    assert torch.allclose(grads[name].mean(0), p.grad, atol=1e-6)
    assert torch.allclose(grads[name][3], grad(loss_of)(params, x_train[3], y_train[3])[name], atol=1e-6)

BATCH, CLIP, NOISE, RATE, EPOCHS = 128, 1.0, 0.3, 0.5, rounds(12)
accuracies = []
for epoch in range(EPOCHS):
    for chosen in torch.randperm(len(x_train))[: len(x_train) // BATCH * BATCH].split(BATCH):
        grads = per_sample(params, x_train[chosen], y_train[chosen])
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in grads.values()]).norm(dim=0)
        scale = (CLIP / (norms + 1e-6)).clamp(max=1.0)
        for name, g in grads.items():
            summed = torch.einsum("n,n...->...", scale, g) + NOISE * CLIP * torch.randn(params[name].shape)
            params[name] = params[name] - RATE * summed / BATCH
    predicted = functional_call(model, params, (x_val,)).argmax(1)
    accuracies.append((predicted == y_val).float().mean().item())
    print(f"epoch {epoch + 1:2d}  validation accuracy {100 * accuracies[-1]:.2f} %")
write_png(output("per_sample_gradients.png"), plot([(range(EPOCHS), accuracies)]))
assert accuracies[-1] > 0.9 or EPOCHS < 12
