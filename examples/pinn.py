"""A physics-informed network (Raissi et al., 2019): u'' + u = 0, u(0) = 0, u'(0) = 1, whose solution is sin x.

The loss holds second derivatives of the network, taken with ``autograd.grad(..., create_graph=True)``.

    python -m jtorch examples/pinn.py [folder for the plot] [steps]
"""

import math

import torch
import torch.nn as nn
from _picture import output, plot, rounds, write_png


def derivative(y, x):
    return torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)[0]


torch.manual_seed(0)
net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.998)
start = torch.zeros(1, 1, requires_grad=True)
steps = rounds(1500)
for step in range(steps + 1):
    x = (torch.rand(128, 1) * math.pi).requires_grad_()
    u = net(x)
    residual = derivative(derivative(u, x), x) + u
    u0 = net(start)
    loss = residual.pow(2).mean() + 10 * (u0.pow(2).mean() + (derivative(u0, start) - 1).pow(2).mean())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    if step % 300 == 0:
        print(f"step {step:4d}  loss {loss.item():.2e}")

x = torch.linspace(0, math.pi, 200).unsqueeze(1)
with torch.no_grad():
    u = net(x)
error = (u - torch.sin(x)).abs().max().item()
print(f"largest error against sin x: {error:.4f}")
write_png(output("pinn.png"), plot([(x[:, 0].numpy(), torch.sin(x)[:, 0].numpy()), (x[:, 0].numpy(), u[:, 0].numpy())]))
assert error < 0.05 or steps < 1500
