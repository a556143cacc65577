"""A CIFAR-style network (3x32x32, batch norm, dropout, augmentation) on real digits drawn in colour.

python -m jtorch examples/cifar_cnn.py [folder for the picture] [epochs]
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from _digits import digits
from _picture import grid, output, rounds, write_png


def block(into, out):
    return nn.Sequential(
        nn.Conv2d(into, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)
    )


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(block(3, 16), block(16, 32), block(32, 64))
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 4 * 4, 10))

    def forward(self, x):
        return self.classifier(self.features(x))


def augment(images):
    """Tint each image at random, and shift it by up to two pixels."""
    count = len(images)
    tint = 0.5 + 0.5 * torch.rand(count, 3, 1, 1)
    rows, columns = torch.randint(5, (2, count, 1)) + torch.arange(32)
    padded = F.pad(images * tint, (2, 2, 2, 2)).permute(0, 2, 3, 1)
    shifted = padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return shifted.permute(0, 3, 1, 2)


torch.manual_seed(0)
x_train, y_train, x_val, y_val = digits(scale=4, channels=3)
model = Net()
print(model, sum(p.numel() for p in model.parameters()), "parameters")
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
epochs, batch = rounds(4), 64
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=epochs * (len(x_train) // batch))
for epoch in range(epochs):
    model.train()
    total = 0.0
    for chosen in torch.randperm(len(x_train))[: len(x_train) // batch * batch].split(batch):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(augment(x_train[chosen])), y_train[chosen], label_smoothing=0.05)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        total += loss.item()
    model.eval()
    with torch.no_grad():
        predicted = torch.cat([model(part).argmax(1) for part in x_val.split(60)])
    accuracy = (predicted == y_val).float().mean().item() * 100
    print(f"epoch {epoch + 1}  loss {total / (len(x_train) // batch):.4f}  validation accuracy {accuracy:.2f} %")

filters = model.features[0][0].weight.detach().mean(1)
filters = (filters - filters.min()) / (filters.max() - filters.min())
write_png(output("cifar_cnn_filters.png"), grid(filters.numpy(), columns=8, zoom=16))
assert accuracy > 95 or epochs < 4
