"""What ``tests.conformance.libraries`` runs: small models and a few training steps for each library.

The libraries are imported where they are used: a case needs its own only.
"""

import tempfile
from collections.abc import Callable, Iterator
from typing import Any

CASES: dict[str, Callable[[], Iterator[Any]]] = {}


def case(function: Callable[[], Iterator[Any]]) -> Callable[[], Iterator[Any]]:
    """Enter a function that yields tensors under its name: the distribution's, then perhaps ``__`` and more."""
    CASES[function.__name__.strip("_")] = function
    return function


def steps(model: Any, loss: Callable[[], Any], optimizer: Any = None, n: int = 3) -> Iterator[Any]:
    """The losses of ``n`` training steps, then the sums of the parameters."""
    import torch

    optimizer = optimizer or torch.optim.AdamW(model.parameters(), 1e-3)
    for _ in range(n):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        yield value
    yield torch.stack([p.detach().double().sum() for p in model.parameters()])


def small(config: Any, **more: Any) -> Any:
    """A small configuration of transformers."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return config(**{**sizes, **more})


@case
def transformers__bert() -> Iterator[Any]:
    import torch
    from transformers import BertConfig, BertForMaskedLM

    model = BertForMaskedLM(small(BertConfig, vocab_size=100)).train()
    ids, mask = torch.randint(0, 100, (2, 12)), torch.ones(2, 12, dtype=torch.long)
    mask[1, 8:] = 0
    yield model(ids, attention_mask=mask).logits
    yield from steps(model, lambda: model(ids, attention_mask=mask, labels=ids).loss)


@case
def transformers__gpt2() -> Iterator[Any]:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(vocab_size=100, n_embd=32, n_layer=2, n_head=4, n_positions=64)).train()
    ids = torch.randint(0, 100, (2, 12))
    yield from steps(model, lambda: model(ids, labels=ids).loss)
    model.eval()
    yield model.generate(ids, max_new_tokens=8, do_sample=False, pad_token_id=0)
    yield model.generate(ids, max_new_tokens=8, do_sample=True, top_k=20, temperature=0.9, pad_token_id=0)


@case
def transformers__llama() -> Iterator[Any]:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(small(LlamaConfig, vocab_size=100, num_key_value_heads=2))
    ids = torch.randint(0, 100, (2, 12))
    yield from steps(model, lambda: model(ids, labels=ids).loss)
    yield model.eval().generate(ids, max_new_tokens=8, do_sample=False, pad_token_id=0)


@case
def transformers__t5() -> Iterator[Any]:
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    model = T5ForConditionalGeneration(
        T5Config(vocab_size=100, decoder_start_token_id=0, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    )
    ids = torch.randint(0, 100, (2, 12))
    yield from steps(model, lambda: model(input_ids=ids, labels=ids[:, :6].contiguous()).loss)


@case
def transformers__vit() -> Iterator[Any]:
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    model = ViTForImageClassification(small(ViTConfig, image_size=32, patch_size=8, num_labels=5))
    x, y = torch.randn(2, 3, 32, 32), torch.tensor([1, 3])
    yield from steps(model, lambda: model(x, labels=y).loss)


@case
def transformers__whisper() -> Iterator[Any]:
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    layers = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
    sizes = {"d_model": 32, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "num_mel_bins": 16, "vocab_size": 100}
    special = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 0)
    model = WhisperForConditionalGeneration(WhisperConfig(max_source_positions=20, **layers, **sizes, **special))
    x, ids = torch.randn(2, 16, 40), torch.randint(1, 100, (2, 6))
    yield from steps(model, lambda: model(input_features=x, labels=ids).loss)


@case
def transformers__trainer() -> Iterator[Any]:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    rows = [{"input_ids": torch.randint(0, 100, (12,)), "labels": i % 2} for i in range(16)]
    model = BertForSequenceClassification(small(BertConfig, vocab_size=100))
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            folder, num_train_epochs=2, per_device_train_batch_size=4, report_to=[], logging_steps=1, use_cpu=True
        )
        trainer = Trainer(model, args, train_dataset=rows)
        trainer.train()
    yield torch.tensor([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    yield torch.stack([p.detach().double().sum() for p in model.parameters()])


@case
def torchmetrics() -> Iterator[Any]:
    import torch
    import torchmetrics as tm

    scores, y = torch.rand(20, 5).softmax(-1), torch.randint(0, 5, (20,))
    for kind in ("Accuracy", "F1Score", "AUROC", "ConfusionMatrix", "CalibrationError"):
        metric = getattr(tm, kind)(task="multiclass", num_classes=5)
        metric.update(scores[:10], y[:10])
        metric.update(scores[10:], y[10:])
        yield metric.compute()
    yield tm.MeanSquaredError()(scores, 1 - scores)


@case
def einops() -> Iterator[Any]:
    import torch
    from einops import einsum, rearrange, reduce
    from einops.layers.torch import Rearrange

    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    patches = Rearrange("b c (h p) (w q) -> b (h w) (p q c)", p=4, q=4)(x)
    out = einsum(patches, patches, "b i d, b j d -> b i j") + reduce(
        rearrange(x, "b c h w -> b h w c"), "b h w c -> b 1 1", "mean"
    )
    out.sum().backward()
    yield out
    yield x.grad


@case
def x_transformers() -> Iterator[Any]:
    import torch
    from x_transformers import Decoder, TransformerWrapper

    model = TransformerWrapper(
        num_tokens=50, max_seq_len=32, attn_layers=Decoder(dim=32, depth=2, heads=4, rotary_pos_emb=True)
    )
    ids = torch.randint(0, 50, (2, 16))
    yield from steps(model, lambda: model(ids).transpose(1, 2).square().mean())


@case
def accelerate() -> Iterator[Any]:
    import torch
    from accelerate import Accelerator
    from torch.utils.data import DataLoader, TensorDataset

    accelerator = Accelerator(cpu=True)
    data = DataLoader(TensorDataset(torch.randn(32, 4), torch.randn(32, 1)), 8, shuffle=True)
    model = torch.nn.Linear(4, 1)
    model, optimizer, data = accelerator.prepare(model, torch.optim.Adam(model.parameters(), 0.01), data)
    for x, y in data:
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        yield loss


@case
def peft() -> Iterator[Any]:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    base = LlamaForCausalLM(small(LlamaConfig, vocab_size=100))
    model = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    ids = torch.randint(0, 100, (2, 12))
    yield from steps(model, lambda: model(input_ids=ids, labels=ids).loss)
    yield model.merge_and_unload()(ids).logits


@case
def gpytorch() -> Iterator[Any]:
    import gpytorch as gp
    import torch

    class Model(gp.models.ExactGP):
        def __init__(self, x: Any, y: Any, likelihood: Any) -> None:
            super().__init__(x, y, likelihood)
            self.mean, self.kernel = gp.means.ConstantMean(), gp.kernels.ScaleKernel(gp.kernels.RBFKernel())

        def forward(self, x: Any) -> Any:
            return gp.distributions.MultivariateNormal(self.mean(x), self.kernel(x))

    x = torch.linspace(0, 1, 20)
    y, likelihood = (6 * x).sin(), gp.likelihoods.GaussianLikelihood()
    model = Model(x, y, likelihood)
    objective = gp.mlls.ExactMarginalLogLikelihood(likelihood, model)
    yield from steps(model, lambda: -objective(model(x), y), torch.optim.Adam(model.parameters(), 0.1))
    model.eval()
    likelihood.eval()
    prediction = likelihood(model(torch.linspace(0, 1, 7)))
    yield from (prediction.mean, prediction.variance)


@case
def torchdiffeq() -> Iterator[Any]:
    import torch
    from torchdiffeq import odeint, odeint_adjoint

    net = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))

    class Field(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, t: Any, y: Any) -> Any:
            return self.net(y) * t.cos()

    times, start, field = torch.linspace(0, 1, 5), torch.randn(3, 2), Field()
    yield odeint(field, start, times)
    for solve in (odeint, odeint_adjoint):
        yield from steps(field, lambda s=solve: s(field, start, times, method="rk4").square().mean())


@case
def nflows() -> Iterator[Any]:
    import torch
    from nflows import distributions, flows, transforms

    chain = [transforms.MaskedAffineAutoregressiveTransform(4, 16), transforms.ReversePermutation(4)]
    flow = flows.Flow(transforms.CompositeTransform(chain), distributions.StandardNormal([4]))
    x = torch.randn(16, 4)
    yield from steps(flow, lambda: -flow.log_prob(x).mean())
    yield flow.sample(3)


@case
def higher() -> Iterator[Any]:
    import higher as h
    import torch

    model, x = torch.nn.Linear(3, 1), torch.randn(8, 3)
    with h.innerloop_ctx(model, torch.optim.SGD(model.parameters(), 0.1)) as (inner, optimizer):
        for _ in range(2):
            optimizer.step(inner(x).square().mean())
        yield from torch.autograd.grad(inner(x).square().mean(), list(inner.parameters(time=0)))


@case
def pytorch_metric_learning() -> Iterator[Any]:
    import torch
    from pytorch_metric_learning import losses, miners

    model, x, y = torch.nn.Linear(4, 3), torch.randn(16, 4), torch.arange(16) % 4
    miner, loss = miners.MultiSimilarityMiner(), losses.TripletMarginLoss()
    yield from steps(model, lambda: loss(model(x), y, miner(model(x), y)))


@case
def torch_optimizer() -> Iterator[Any]:
    import torch
    import torch_optimizer as optimizers

    model, x = torch.nn.Linear(4, 3), torch.randn(16, 4)
    for kind in (optimizers.Lamb, optimizers.AdaBound, optimizers.DiffGrad, optimizers.QHAdam):
        yield from steps(model, lambda: model(x).square().mean(), kind(model.parameters(), 0.01))


@case
def ema_pytorch() -> Iterator[Any]:
    import torch
    from ema_pytorch import EMA

    model, x = torch.nn.Linear(4, 3), torch.randn(16, 4)
    average = EMA(model, beta=0.9, update_after_step=0, update_every=1)
    for _ in range(3):
        yield from steps(model, lambda: model(x).square().mean(), n=1)
        average.update()
    yield average(x)
