"""What the tutorial says of its blocks 14 to 26: whole models, losses, optimizers, training, files, schedules."""

import math
import os
import re

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from compat_suite import digits, training
from compat_suite.blocks import Run
from compat_suite.expectations import close, shape, states

# In the tutorial's ResNet nothing takes the 64 channels of layer1 to the 128 of layer2.
RESNET_ERROR = (
    "Given groups=1, weight of size [128, 128, 3, 3], expected input[2, 64, 8, 8] to have 128 channels, "
    "but got 64 channels instead"
)


@states(14)
def sequential(run: Run) -> str:
    x, labels = digits.images(64, 28)
    assert shape(run["model"](x.flatten(1))) == (64, 10)
    assert [type(layer).__name__ for layer in run["model"]] == ["Linear", "ReLU", "Dropout"] * 2 + ["Linear"]
    return training.learns(run["model"], x.flatten(1), labels, F.cross_entropy, steps=10)


@states(15)
def cnn(run: Run) -> str:
    x, labels = digits.images(8, 32, channels=3)
    model = run["CNN"](num_classes=10)
    assert shape(run["model"](x)) == shape(model(x)) == (8, 10)
    for stage, expected in (
        (model.conv1, (8, 32, 16, 16)),
        (model.conv2, (8, 64, 8, 8)),
        (model.conv3, (8, 128, 4, 4)),
    ):
        x = model.pool(F.relu(stage(x)))
        assert shape(x) == expected
    return training.learns(model, digits.images(8, 32, channels=3)[0], labels, F.cross_entropy, steps=10)


@states(16)
def resnet(run: Run) -> str:
    x = torch.randn(2, 64, 8, 8)
    block = run["ResidualBlock"](64)
    assert shape(block(x)) == (2, 64, 8, 8) and block(x).ge(0).all()
    note = training.learns(block, x, torch.zeros(2, 64, 8, 8), F.mse_loss)

    model, (images, labels) = run["ResNet"](), digits.images(2, 32, channels=3)
    try:
        model(images)
    except RuntimeError as error:
        assert type(error) is RuntimeError and str(error) == RESNET_ERROR, repr(error)
    else:
        raise AssertionError("the tutorial's ResNet ran; torch refuses it")
    model.layer2.insert(0, nn.Conv2d(64, 128, 1))  # what the tutorial forgot
    assert shape(model(images)) == (2, 10)
    return f"{note}, {training.learns(model, images, labels, F.cross_entropy)}"


@states(17)
def loss_functions(run: Run) -> None:
    names = [type(c).__name__ for c in run.history["criterion"]]
    assert names == ["CrossEntropyLoss", "BCEWithLogitsLoss", "MSELoss", "L1Loss", "CustomLoss"]
    cross_entropy, bce, mse, l1, custom = run.history["criterion"]
    outputs, labels = run["outputs"].detach(), run["labels"]
    logits = outputs.numpy().astype(np.float64)
    log_probabilities = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    close(run["loss"].item(), -log_probabilities[np.arange(16), labels.numpy()].mean(), atol=1e-5)
    close(cross_entropy(outputs, labels).item(), run["loss"].item(), atol=1e-6)
    target = (torch.arange(160) % 2).reshape(16, 10).float()
    t = target.numpy().astype(np.float64)
    close(bce(outputs, target).item(), (np.log1p(np.exp(logits)) - t * logits).mean(), atol=1e-6)
    close(mse(outputs, target).item(), ((logits - t) ** 2).mean(), atol=1e-6)
    close(l1(outputs, target).item(), np.abs(logits - t).mean(), atol=1e-6)
    close(custom(outputs, target).item(), ((logits - t) ** 2).mean(), atol=1e-6)
    training.learns(nn.Linear(4, 3), torch.randn(8, 4), torch.zeros(8, 3), custom)


@states(18)
def optimizers(run: Run) -> str:
    names = [type(o).__name__ for o in run.history["optimizer"]]
    assert names == ["SGD", "Adam", "AdamW", "RMSprop", "Adam"]
    assert [o.param_groups[0]["lr"] for o in run.history["optimizer"][:4]] == [0.01, 0.001, 0.001, 0.01]
    assert run.history["optimizer"][0].param_groups[0]["momentum"] == 0.9
    assert run.history["optimizer"][2].param_groups[0]["weight_decay"] == 0.01
    assert [group["lr"] for group in run["optimizer"].param_groups] == [0.001, 0.01]
    x, y = torch.randn(32, 10), torch.arange(32) % 2
    for name, optimizer in zip(names, run.history["optimizer"], strict=True):
        curve = training.losses(run["model"], x, y, F.cross_entropy, optimizer)
        assert curve[-1] < curve[0], f"{name} does not lower the loss: {curve}"
    return ", ".join(names)


@states(19)
def training_loop(run: Run) -> str:
    validation = [float(a) for a in re.findall(r"Val Acc: ([\d.]+)%", run.out)]
    assert len(validation) == 10 and len(run.out.splitlines()) == 40
    for epoch in range(10):
        assert re.search(rf"^Epoch: {epoch}, Batch: 0, Loss: \d+\.\d{{4}}$", run.out, re.MULTILINE)
        assert re.search(rf"^Epoch {epoch + 1}/10:$", run.out, re.MULTILINE)
    curve = step_losses(run)
    assert len(curve) == 230 and all(map(math.isfinite, curve))
    assert abs(curve[0] - math.log(10)) < 0.2 and np.mean(curve[-23:]) < 0.1 * curve[0]
    assert run.history["train_acc"][-1] > 95 and run["val_acc"] >= 95
    assert f"{run['val_acc']:.2f}" == f"{validation[-1]:.2f}"
    return f"validation accuracy {run['val_acc']:.2f} %"


def step_losses(run: Run) -> list[float]:
    """The loss of every training step, from the running total that the loop keeps."""
    totals = run.history["train_loss"]
    epochs = [totals[i : i + 25] for i in range(0, len(totals), 25)]  # 0.0, a total after each of 23 steps, the mean
    return [float(step) for epoch in epochs for step in np.diff(epoch[:-1])]


@states(20)
def files(run: Run) -> None:
    assert {"model.pth", "model_weights.pth", "checkpoint.pth"} <= set(os.listdir())
    saved, loaded = run["model"], run.history["model"][-1]
    assert type(loaded) is run["Model"]
    x, labels = digits.images(64, 28)
    assert (loaded(x.to(run["device"])).argmax(1).cpu() == labels).float().mean() > 0.95
    assert saved is loaded
    written, read = run.history["checkpoint"]
    assert set(read) == {"epoch", "model_state_dict", "optimizer_state_dict", "loss"}
    assert run["epoch"] == read["epoch"] == 9
    assert run["loss"].item() == written["loss"].item()
    for name, tensor in written["model_state_dict"].items():
        assert torch.equal(read["model_state_dict"][name], tensor)
        assert torch.equal(loaded.state_dict()[name], tensor)
    state, again = written["optimizer_state_dict"], run["optimizer"].state_dict()
    assert state["param_groups"] == again["param_groups"]
    for index, moments in state["state"].items():
        assert float(again["state"][index]["step"]) == 230
        assert torch.equal(again["state"][index]["exp_avg"], moments["exp_avg"])


@states(21)
def information(run: Run) -> None:
    assert run.out == (
        "Total parameters: 1370\n"
        "ConvNet(\n"
        "  (conv_layers): Sequential(\n"
        "    (0): Conv2d(1, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))\n"
        "    (1): ReLU()\n"
        "    (2): AdaptiveAvgPool2d(output_size=(4, 4))\n"
        "  )\n"
        "  (fc_layers): Sequential(\n"
        "    (0): Flatten(start_dim=1, end_dim=-1)\n"
        "    (1): Linear(in_features=128, out_features=10, bias=True)\n"
        "  )\n"
        ")\n"
        "conv_layers.0.weight: torch.Size([8, 1, 3, 3])\n"
        "conv_layers.0.bias: torch.Size([8])\n"
        "fc_layers.1.weight: torch.Size([10, 128])\n"
        "fc_layers.1.bias: torch.Size([10])\n"
    )
    assert [p.requires_grad for p in run["model"].parameters()] == [False, False, True, True]
    assert run["count_parameters"](run["model"]) == 1290
    frozen = run["model"].conv_layers[0].weight.clone()
    x, labels = digits.images(16, 28)
    curve = training.losses(run["model"], x, labels, F.cross_entropy)
    assert curve[-1] < curve[0] and torch.equal(run["model"].conv_layers[0].weight, frozen)


@states(22)
def inference(run: Run) -> None:
    assert not run["model"].training and shape(run["output"]) == shape(run["probabilities"]) == (1, 10)
    close(run["probabilities"].sum().item(), 1.0)
    assert not run["output"].requires_grad
    predicted = int(np.argmax(run["output"].cpu().numpy()))
    assert run.out == f"Predicted class: {predicted}\n" and run["predicted_class"].tolist() == [predicted]


@states(23)
def schedules(run: Run) -> str:
    names = [type(s).__name__ for s in run.history["scheduler"]]
    assert names == ["StepLR", "ReduceLROnPlateau", "CosineAnnealingLR"]
    cosine = [0.1 * (1 + math.cos(math.pi * epoch / 100)) / 2 for epoch in range(11)]
    rates = [*run["rates"], run["optimizer"].param_groups[0]["lr"]]
    close(rates, cosine, atol=1e-12)
    assert len(run["val_losses"]) == 10 and run["val_losses"][-1] < run["val_losses"][0]
    step, plateau, _ = run.history["scheduler"]
    assert (step.step_size, step.gamma) == (30, 0.1)
    assert (plateau.mode, plateau.factor, plateau.patience) == ("min", 0.1, 10)
    return f"learning rate {rates[0]:.4f} -> {rates[-1]:.4f}"


@states(24)
def image_classifier(run: Run) -> str:
    x, labels = digits.images(4, 32, channels=3)
    model = run["ImageClassifier"]()
    assert shape(model(x)) == (4, 10) and shape(model.features(x)) == (4, 256, 1, 1)
    return training.learns(model, x, labels, F.cross_entropy)


@states(25)
def sequence_classifier(run: Run) -> str:
    model = run["SequenceClassifier"](vocab_size=50, embed_dim=16, hidden_dim=32, num_classes=4)
    tokens = torch.randint(0, 50, (8, 12))
    assert shape(model(tokens)) == (8, 4)
    return training.learns(model, tokens[:, :], torch.arange(8) % 4, F.cross_entropy)


@states(26)
def autoencoder(run: Run) -> str:
    x = digits.images(32, 28)[0].flatten(1)
    model = run["Autoencoder"]()
    decoded = model(x)
    assert shape(decoded) == (32, 784) and decoded.gt(0).all() and decoded.lt(1).all()
    assert shape(model.encoder(x)) == (32, 64)
    return training.learns(model, x, x, F.mse_loss)
