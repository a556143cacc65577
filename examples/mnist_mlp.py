"""The tutorial's training loop on real handwritten digits.

python -m jtorch examples/mnist_mlp.py [folder for the plot] [epochs]
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from _digits import digits
from _picture import output, plot, rounds, write_png
from torch.utils.data import DataLoader, TensorDataset


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 256)
        self.fc2 = nn.Linear(256, 10)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x.view(-1, 64))))


EPOCHS = rounds(20)
torch.manual_seed(0)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
x_train, y_train, x_val, y_val = digits()
train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)
val_loader = DataLoader(TensorDataset(x_val, y_val), batch_size=64)
model = Model().to(device)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS)

losses = []
for epoch in range(EPOCHS):
    model.train()
    for data, target in train_loader:
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = criterion(model(data), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    scheduler.step()
    model.eval()
    correct = 0
    with torch.no_grad():
        for data, target in val_loader:
            correct += (model(data.to(device)).argmax(1) == target.to(device)).sum().item()
    accuracy = 100 * correct / len(y_val)
    print(f"epoch {epoch + 1:2d}  loss {losses[-1]:.4f}  validation accuracy {accuracy:.2f} %")

torch.save(model.state_dict(), output("mnist_mlp.pth"))
write_png(output("mnist_mlp.png"), plot([(range(len(losses)), losses)]))
assert accuracy > 95 or EPOCHS < 20
