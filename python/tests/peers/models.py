"""The networks and boxes on which auto_LiRPA's bounds were stored: the same numbers with every version of numpy and torch."""

import numpy as np
import torch
from torch import nn


class Skip(nn.Module):
    """Two hidden layers with a connection around the second."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 16), nn.Linear(16, 16), nn.Linear(16, 4)

    def forward(self, x):
        a = torch.relu(self.first(x))
        return self.last(torch.relu(self.second(a)) + a)


def _seeded(module, seed):
    dice = np.random.default_rng(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 10
            parameter.copy_(torch.tensor(dice.standard_normal(tuple(parameter.shape)) / fan_in**0.5, dtype=torch.float32))
    return module.eval()


def _dense(activation, sizes):
    layers = []
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        layers += [nn.Linear(inputs, outputs)] + ([activation()] if i + 2 < len(sizes) else [])
    return nn.Sequential(*layers)


def cases():
    """Name, module, centres (batch first) and radius of every case."""
    conv = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(54, 4))
    all_cases = [
        ("relu", _dense(nn.ReLU, [6, 20, 20, 4]), (6,), 0.1),
        ("deep", _dense(nn.ReLU, [5, 16, 16, 16, 16, 4]), (5,), 0.05),
        ("tanh", _dense(nn.Tanh, [6, 16, 16, 4]), (6,), 0.05),
        ("sigmoid", _dense(nn.Sigmoid, [6, 16, 16, 4]), (6,), 0.1),
        ("conv", conv, (1, 8, 8), 0.02),
        ("skip", Skip(), (6,), 0.1),
    ]
    for seed, (name, module, shape, eps) in enumerate(all_cases):
        centres = np.random.default_rng(100 + seed).uniform(0, 1, (3, *shape))
        yield name, _seeded(module, seed), torch.tensor(centres, dtype=torch.float32), eps


def rows():
    """Specification matrices, one per image of a batch of three: the first class minus each other one, rotated."""
    c = torch.zeros(3, 3, 4)
    for image in range(3):
        for row, other in enumerate(j for j in range(4) if j != image):
            c[image, row, image], c[image, row, other] = 1.0, -1.0
    return c
