"""Networks as users write them: modules, functions and tensor methods mixed, in no style of ours."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exporter.networks import sign_conv, sign_linear


class Gate(nn.Module):
    """Squeeze and excite that adds: a shift for each channel from the means of all."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Linear(channels, 4), nn.Linear(4, channels)

    def forward(self, x: Tensor) -> Tensor:
        z = x.mean([2, 3])
        z = torch.sigmoid(self.excite(F.relu(self.squeeze(z))))
        return x - z.view(x.size(0), x.size(1), 1, 1)


class Dense(nn.Module):
    """Blocks that add channels to what they read, with shortcuts that subsample, pad and crop."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.conv1, self.act1 = sign_conv(8, 6, 3, padding=1), nn.PReLU(6)
        self.norm1 = nn.BatchNorm2d(6)
        self.conv2 = sign_conv(14, 20, 3, stride=2, padding=1)
        self.norm2 = nn.BatchNorm2d(20)
        self.gate = Gate(20)
        self.conv3 = sign_conv(10, 5, 1)
        self.last_norm = nn.LayerNorm(15)
        self.fc = sign_linear(15, 9)
        self.out = nn.Linear(9 + 15, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (1, 2, 0, 1))
        x = self.norm(self.stem(x))
        y = self.norm1(self.act1(self.conv1(x)))
        x = torch.cat([x, y], dim=1)
        shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 4))
        y = self.norm2(self.conv2(x)).clamp(-1.5, 1.5)
        y = self.gate(y + shortcut)
        a, b = y.chunk(2, dim=1)
        y = torch.cat((F.leaky_relu(a, 0.2), self.conv3(b)), 1)
        y = F.max_pool2d(y[:, :, 1:, :-1], 2) * 0.5
        y = y.mean(dim=(2, 3)) if y.shape[-1] > 1 else y.flatten(1)
        z = torch.relu(self.fc(self.last_norm(y)))
        z += 1
        return self.out(torch.cat([z, y], 1))


class Excite(nn.Module):
    """Squeeze and excite as most networks have it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, 4), nn.ReLU(inplace=True), nn.Linear(4, channels, bias=False), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        b, c, _, _ = x.size()
        y = self.pool(x).view(b, c)
        return x * self.fc(y).view(b, c, 1, 1).expand_as(x)


class Gated(nn.Module):
    """Binary blocks whose outputs are scaled by gates: from themselves, from what the block reads, from every pixel."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, stride=2, bias=False), nn.BatchNorm2d(channels))
        self.conv1, self.norm1 = sign_conv(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.excite = Excite(channels)
        self.gate = nn.Sequential(nn.Conv2d(channels, 3, 1), nn.PReLU(), nn.Conv2d(3, channels, 1), nn.Hardsigmoid())
        self.conv2, self.norm2 = sign_conv(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.attention, self.act = nn.Conv2d(channels, channels, 1), nn.Hardswish()
        self.fc = nn.Linear(channels, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.excite(self.norm1(self.conv1(x)))
        g = self.gate(F.adaptive_avg_pool2d(x, 1))
        y = self.norm2(self.conv2(x))
        y *= g
        x = self.act(x + y)
        x = x * torch.sigmoid(self.attention(x))
        return self.fc(F.silu(x.mean((2, 3))))


class Functional(nn.Module):
    """Weights without modules, a loop over parts that are skipped by size, views of several kinds."""

    def __init__(self, channels: int = 65) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.3 * torch.randn(channels, 2, 3, 3))
        self.bias = nn.Parameter(torch.randn(channels))
        self.register_buffer("mean", torch.tensor([0.25, -0.5]).view(1, 2, 1, 1))
        self.blocks = nn.ModuleList(sign_conv(channels, channels, 3, padding=1) for _ in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(3))
        self.head = nn.Parameter(torch.randn(7, channels * 4))

    def forward(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        x = (x - self.mean) / 0.5
        x = F.conv2d(x, self.weight, self.bias, stride=(1, 2), padding="valid")
        for block, norm in zip(self.blocks, self.norms, strict=True):
            if min(x.shape[2:]) < 3:
                break
            x = F.hardtanh(norm(block(x)) + x)
            x = F.avg_pool2d(x, 2) if x.shape[2] > 4 else x
        x = F.adaptive_avg_pool2d(x, 2)
        scale = F.softplus(self.bias).view(1, -1, 1, 1)
        x = x * scale
        return F.linear(x.reshape(n, -1), torch.tanh(self.head))
