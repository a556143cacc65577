"""A character-level GPT, trained on the documentation that Python carries with it and then sampled from.

python -m jtorch examples/char_gpt.py [folder for the sample] [steps]
"""

from pydoc_data.topics import topics

import torch
import torch.nn as nn
import torch.nn.functional as F
from _picture import output, rounds

WIDTH, HEADS, LAYERS, LENGTH, BATCH = 64, 4, 2, 64, 16


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        batch, length, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(batch, length, WIDTH))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.token, self.position = nn.Embedding(vocabulary, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, vocabulary)

    def forward(self, tokens):
        x = self.token(tokens) + self.position(torch.arange(tokens.size(1)))
        return self.head(self.norm(self.blocks(x)))

    @torch.no_grad()
    def sample(self, tokens, count, temperature=0.8):
        """Continue (1, n) tokens by ``count``; n is at least ``LENGTH``, so that every step sees as many."""
        for _ in range(count):
            logits = self(tokens[:, -LENGTH:])[:, -1]
            following = torch.multinomial(F.softmax(logits / temperature, dim=-1), 1)
            tokens = torch.cat([tokens, following], dim=1)
        return tokens


torch.manual_seed(0)
text = "\n".join(topics[name] for name in sorted(topics))[:200_000]
letters = sorted(set(text))
data = torch.tensor([letters.index(c) for c in text])
model = GPT(len(letters))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
print(
    f"{len(text)} characters, {len(letters)} of them different; {sum(p.numel() for p in model.parameters())} parameters"
)

steps = rounds(600)
for step in range(steps + 1):
    starts = torch.randint(len(data) - LENGTH, (BATCH, 1))
    window = data[starts + torch.arange(LENGTH + 1)]
    optimizer.zero_grad()
    loss = F.cross_entropy(model(window[:, :-1]).flatten(0, 1), window[:, 1:].flatten())
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step:4d}  loss {loss.item():.3f}")

prompt = text[:LENGTH]
tokens = model.eval().sample(torch.tensor([[letters.index(c) for c in prompt]]), 300)
sample = "".join(letters[i] for i in tokens[0].tolist())
print(sample)
with open(output("char_gpt.txt"), "w") as file:
    file.write(sample)
assert loss.item() < 2.4 or steps < 600
