"""An LSTM that reads a digit as a sequence of rows and names it.

python -m jtorch examples/lstm_classifier.py [folder for the plot] [epochs]
"""

import torch
import torch.nn as nn
from _digits import digits
from _picture import output, plot, rounds, write_png
from torch.utils.data import DataLoader, TensorDataset


class RowReader(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.lstm = nn.LSTM(8, hidden, num_layers=2, batch_first=True, bidirectional=True, dropout=0.1)
        self.fc = nn.Linear(2 * hidden, 10)

    def forward(self, x):
        output, _ = self.lstm(x.squeeze(1))
        return self.fc(output.mean(1))


torch.manual_seed(0)
x_train, y_train, x_val, y_val = digits()
loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True, drop_last=True)
model = RowReader()
optimizer = torch.optim.RMSprop(model.parameters(), lr=3e-3)
losses, accuracies = [], []
epochs = rounds(20)
for epoch in range(epochs):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        accuracies.append((model(x_val).argmax(1) == y_val).float().mean().item())
    print(f"epoch {epoch + 1:2d}  loss {losses[-1]:.4f}  validation accuracy {100 * accuracies[-1]:.2f} %")
write_png(output("lstm_classifier.png"), plot([(range(epochs), losses), (range(epochs), accuracies)]))
assert accuracies[-1] > 0.9 or epochs < 20
