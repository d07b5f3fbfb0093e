"""A torchvision network from a checkpoint of another project: robust accuracy over eps, margins.

Run: python examples/own_model.py
"""

import torch
import torchvision

from advcore import Normalized, margins, subspaces
from advcore.attacks import PGD, MinimalNorm
from advcore.robust_accuracy import robust_accuracy_curve

torch.manual_seed(0)

# A checkpoint as other projects leave it: weights under a name, beside plain data.
torch.save(
    {"state_dict": torchvision.models.resnet18(num_classes=10).state_dict(), "epoch": 3}, "own.pt"
)

network = torchvision.models.resnet18(num_classes=10)
network.load_state_dict(torch.load("own.pt", weights_only=True)["state_dict"])
classifier = Normalized(network.eval(), mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25])

images = torch.rand(8, 3, 32, 32)  # yours, in [0, 1]
labels = classifier(images).argmax(1)  # yours too: robust accuracy is of the true labels

grid = [0.05, 0.1, 0.2, 0.4]  # l2, pixels in [0, 1]
attacks = [MinimalNorm(), PGD(norm="l2")]
curve = robust_accuracy_curve(attacks, classifier, images, labels, grid)
for eps, robust in zip(grid, curve, strict=True):
    print(f"robust accuracy at l2 {eps:g}: {robust:.2f}")

blocks = subspaces.dct_blocks(32, size=8, stride=8, channels=3)  # 4, low to high frequency
distances = margins.margins(classifier, images, blocks).distance  # (blocks, images)
for place, row in enumerate(distances):
    print(f"median margin in DCT block {place}: {row.median():.4f}")
