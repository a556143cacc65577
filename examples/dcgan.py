"""A DCGAN (Radford, Metz and Chintala, 2015) that learns to draw 16x16 digits.

python -m jtorch examples/dcgan.py [folder for the picture] [epochs]
"""

import torch
import torch.nn as nn
from _digits import digits
from _picture import grid, output, rounds, write_png

NOISE, WIDTH, BATCH, EPOCHS = 32, 16, 64, rounds(20)

generator = nn.Sequential(
    nn.ConvTranspose2d(NOISE, 4 * WIDTH, 4, bias=False),
    nn.BatchNorm2d(4 * WIDTH),
    nn.ReLU(True),
    nn.ConvTranspose2d(4 * WIDTH, 2 * WIDTH, 4, stride=2, padding=1, bias=False),
    nn.BatchNorm2d(2 * WIDTH),
    nn.ReLU(True),
    nn.ConvTranspose2d(2 * WIDTH, 1, 4, stride=2, padding=1),
    nn.Tanh(),
)
critic = nn.Sequential(
    nn.Conv2d(1, WIDTH, 4, stride=2, padding=1),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Conv2d(WIDTH, 2 * WIDTH, 4, stride=2, padding=1, bias=False),
    nn.BatchNorm2d(2 * WIDTH),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Conv2d(2 * WIDTH, 1, 4),
    nn.Flatten(0),
)


def init(module):
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


torch.manual_seed(0)
generator.apply(init)
critic.apply(init)
real = digits(scale=2)[0] * 2 - 1
loss_of = nn.BCEWithLogitsLoss()
draw = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
judge = torch.optim.Adam(critic.parameters(), lr=4e-4, betas=(0.5, 0.999))
fixed, ones, zeros = torch.randn(64, NOISE, 1, 1), torch.ones(BATCH), torch.zeros(BATCH)

for epoch in range(EPOCHS):
    for chosen in torch.randperm(len(real))[: len(real) // BATCH * BATCH].split(BATCH):
        fake = generator(torch.randn(BATCH, NOISE, 1, 1))
        judge.zero_grad()
        critic_loss = loss_of(critic(real[chosen]), 0.9 * ones) + loss_of(critic(fake.detach()), zeros)
        critic_loss.backward()
        judge.step()
        draw.zero_grad()
        generator_loss = loss_of(critic(fake), ones)
        generator_loss.backward()
        draw.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1:2d}  critic {critic_loss.item():.3f}  generator {generator_loss.item():.3f}")

generator.eval()
with torch.no_grad():
    pictures = (generator(fixed)[:, 0] + 1) / 2
write_png(output("dcgan.png"), grid(pictures.numpy(), columns=16, zoom=3))
# The drawings have come to have ink where digits have it.
ink, wanted = pictures.mean(0), (real[:, 0].mean(0) + 1) / 2
likeness = torch.corrcoef(torch.stack([ink.flatten(), wanted.flatten()]))[0, 1].item()
print(f"correlation of the mean drawing with the mean digit: {likeness:.3f}")
assert likeness > 0.7 or EPOCHS < 20
