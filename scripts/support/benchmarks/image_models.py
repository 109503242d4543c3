"""The picture models of the benchmark, layer for layer those of torchvision and timm, over either library.

References: He et al., "Deep Residual Learning for Image Recognition", https://arxiv.org/abs/1512.03385; Sandler et al.,
"MobileNetV2", https://arxiv.org/abs/1801.04381; Dosovitskiy et al., "An Image is Worth 16x16 Words",
https://arxiv.org/abs/2010.11929, in the tiny size of Touvron et al., https://arxiv.org/abs/2012.12877.
"""

from __future__ import annotations

from typing import Any

from support.benchmarks.layers import attention, feed_forward


def resnet18(lib: Any, width: int = 64, classes: int = 1000) -> Any:
    """ResNet-18: 11.69 M parameters."""
    return _resnet(lib, (2, 2, 2, 2), bottleneck=False, width=width, classes=classes)


def resnet50(lib: Any, width: int = 64, classes: int = 1000) -> Any:
    """ResNet-50 with the stride in the 3 x 3 convolution: 25.56 M parameters."""
    return _resnet(lib, (3, 4, 6, 3), bottleneck=True, width=width, classes=classes)


def _resnet(lib: Any, depths: tuple[int, ...], bottleneck: bool, width: int, classes: int) -> Any:
    nn = lib.nn
    expansion = 4 if bottleneck else 1

    class Block(nn.Module):
        """Convolutions around which the input is added back."""

        def __init__(self, before: int, planes: int, stride: int) -> None:
            super().__init__()
            after = planes * expansion
            if bottleneck:
                self.conv1 = nn.Conv2d(before, planes, 1, bias=False)
                self.bn1 = nn.BatchNorm2d(planes)
                self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
                self.bn2 = nn.BatchNorm2d(planes)
                self.conv3 = nn.Conv2d(planes, after, 1, bias=False)
                self.bn3 = nn.BatchNorm2d(after)
            else:
                self.conv1 = nn.Conv2d(before, planes, 3, stride, 1, bias=False)
                self.bn1 = nn.BatchNorm2d(planes)
                self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
                self.bn2 = nn.BatchNorm2d(planes)
            self.relu = nn.ReLU(inplace=True)
            self.downsample = None
            if stride != 1 or before != after:
                self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

        def forward(self, x: Any) -> Any:
            """The block's feature map."""
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            if bottleneck:
                out = self.bn3(self.conv3(self.relu(out)))
            out += x if self.downsample is None else self.downsample(x)
            return self.relu(out)

    class ResNet(nn.Module):
        """A stem, four stages of blocks, a mean over the picture, a linear layer."""

        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
            before = width
            for stage, depth in enumerate(depths):
                planes, blocks = width << stage, []
                for index in range(depth):
                    blocks.append(Block(before, planes, 2 if stage and not index else 1))
                    before = planes * expansion
                setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            self.avgpool = nn.AdaptiveAvgPool2d(1)
            self.fc = nn.Linear(before, classes)
            for layer in self.modules():
                if isinstance(layer, nn.Conv2d):
                    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

        def forward(self, x: Any) -> Any:
            """The classes' scores: (N, 3, H, W) -> (N, classes)."""
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(lib.flatten(self.avgpool(x), 1))

    return ResNet()


# expansion, channels, blocks and the first block's stride of each stage: table 2 of the paper
_MOBILE_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(lib: Any, width: float = 1.0, classes: int = 1000) -> Any:
    """MobileNetV2: 3.50 M parameters."""
    nn = lib.nn

    def convolution(before: int, after: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[Any]:
        layer = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
        return [layer, nn.BatchNorm2d(after), nn.ReLU6(inplace=True)]

    class InvertedResidual(nn.Module):
        """Widen, convolve each channel for itself, narrow again; the input added back where the shapes are the same."""

        def __init__(self, before: int, after: int, stride: int, expansion: int) -> None:
            super().__init__()
            hidden = before * expansion
            layers = [] if expansion == 1 else [nn.Sequential(*convolution(before, hidden))]
            layers.append(nn.Sequential(*convolution(hidden, hidden, 3, stride, groups=hidden)))
            layers += convolution(hidden, after)[:2]
            self.conv = nn.Sequential(*layers)
            self.use_res_connect = stride == 1 and before == after

        def forward(self, x: Any) -> Any:
            """The block's feature map."""
            return x + self.conv(x) if self.use_res_connect else self.conv(x)

    class MobileNetV2(nn.Module):
        """A stem, seven stages of inverted residuals, a last 1 x 1 convolution, a mean, dropout, a linear layer."""

        def __init__(self) -> None:
            super().__init__()
            before, last = _round8(32 * width), _round8(1280 * max(1.0, width))
            layers = [nn.Sequential(*convolution(3, before, 3, 2))]
            for expansion, channels, depth, stride in _MOBILE_STAGES:
                after = _round8(channels * width)
                for index in range(depth):
                    layers.append(InvertedResidual(before, after, 1 if index else stride, expansion))
                    before = after
            layers.append(nn.Sequential(*convolution(before, last)))
            self.features = nn.Sequential(*layers)
            self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))
            for layer in self.modules():
                if isinstance(layer, nn.Conv2d):
                    nn.init.kaiming_normal_(layer.weight, mode="fan_out")

        def forward(self, x: Any) -> Any:
            """The classes' scores: (N, 3, H, W) -> (N, classes)."""
            x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
            return self.classifier(lib.flatten(x, 1))

    return MobileNetV2()


def _round8(channels: float) -> int:
    """The nearest multiple of eight that is no more than a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def vit(
    lib: Any, image: int = 224, patch: int = 16, dim: int = 192, depth: int = 12, heads: int = 3, classes: int = 1000
) -> Any:
    """A vision transformer with a class token and norms ahead of each block; ViT-Tiny/16 has 5.72 M parameters."""
    nn = lib.nn
    tokens = (image // patch) ** 2 + 1
    attend, widen = attention(lib), feed_forward(lib)

    class Block(nn.Module):
        """Attention and a two-layer net, each on the normalised input, each added to it."""

        def __init__(self) -> None:
            super().__init__()
            self.norm1 = nn.LayerNorm(dim, eps=1e-6)
            self.attn = attend(dim, heads)
            self.norm2 = nn.LayerNorm(dim, eps=1e-6)
            self.mlp = widen(dim, 4 * dim)

        def forward(self, x: Any) -> Any:
            """(N, T, dim) -> (N, T, dim)."""
            x = x + self.attn(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class VisionTransformer(nn.Module):
        """Patches, a class token, positions, the blocks, a norm, a linear layer on the class token."""

        def __init__(self) -> None:
            super().__init__()
            self.patch_embed = nn.Conv2d(3, dim, patch, patch)
            self.cls_token = nn.Parameter(lib.zeros(1, 1, dim))
            self.pos_embed = nn.Parameter(lib.randn(1, tokens, dim) * 0.02)
            self.blocks = nn.Sequential(*[Block() for _ in range(depth)])
            self.norm = nn.LayerNorm(dim, eps=1e-6)
            self.head = nn.Linear(dim, classes)

        def forward(self, x: Any) -> Any:
            """The classes' scores: (N, 3, H, W) -> (N, classes)."""
            x = self.patch_embed(x).flatten(2).transpose(1, 2)  # (N, patches, dim)
            x = lib.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1) + self.pos_embed
            return self.head(self.norm(self.blocks(x))[:, 0])

    return VisionTransformer()


def two_convolutions(lib: Any, width: int = 32, image: int = 28, classes: int = 10) -> Any:
    """The small net of PyTorch's MNIST example, without its dropout."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, width, 3), nn.ReLU(), nn.Conv2d(width, 2 * width, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(2 * width * (image // 2 - 2) ** 2, 128), nn.ReLU(), nn.Linear(128, classes),
    )  # fmt: skip
