"""A variational autoencoder (Kingma and Welling, 2013) of handwritten digits.

python -m jtorch examples/vae.py [folder for the pictures] [epochs]
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from _digits import digits
from _picture import grid, output, rounds, write_png
from torch.distributions import Normal, kl_divergence
from torch.utils.data import DataLoader, TensorDataset


class VAE(nn.Module):
    def __init__(self, latent=8):
        super().__init__()
        self.latent = latent
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 128), nn.ReLU(), nn.Linear(128, 64))

    def forward(self, x):
        mean, raw = self.encoder(x).chunk(2, dim=1)
        posterior = Normal(mean, F.softplus(raw) + 1e-4)
        return self.decoder(posterior.rsample()), posterior


torch.manual_seed(0)
x_train, _, x_val, _ = digits()
loader = DataLoader(TensorDataset(x_train), batch_size=64, shuffle=True, drop_last=True)
model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
prior = Normal(0.0, 1.0)
epochs = rounds(40)
for epoch in range(epochs):
    total = 0.0
    for (x,) in loader:
        optimizer.zero_grad()
        logits, posterior = model(x)
        fit = F.binary_cross_entropy_with_logits(logits, x.flatten(1), reduction="sum")
        loss = (fit + kl_divergence(posterior, prior).sum()) / len(x)
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch == 0:
        first = total / len(loader)
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1:2d}  minus ELBO {total / len(loader):.3f}")

model.eval()
with torch.no_grad():
    rebuilt = torch.sigmoid(model(x_val[:16])[0]).view(16, 8, 8)
    drawn = torch.sigmoid(model.decoder(torch.randn(64, model.latent))).view(64, 8, 8)
write_png(output("vae_rebuilt.png"), grid(torch.cat([x_val[:16, 0], rebuilt]).numpy(), columns=16, zoom=4))
write_png(output("vae_drawn.png"), grid(drawn.numpy(), columns=16, zoom=4))
assert total / len(loader) < 0.75 * first or epochs < 40
