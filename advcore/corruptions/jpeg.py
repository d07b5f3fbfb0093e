"""JPEG compression: what is left of an image in a JPEG file."""

import torch
from torch import Tensor

from advcore.corruptions.corruption import Corruption
from advcore.randomness import Randomness


def jpeg_compression(images: Tensor, randomness: Randomness, quality: float) -> Tensor:
    """Return the images as a JPEG file of this quality, 1 to 100, shows them.

    It is libjpeg's, on the processor. A grey image is its own luminance.
    """
    from torchvision.io import decode_jpeg, encode_jpeg  # almost doubles advcore's own import

    pictures = (images * 255).round_().to(torch.uint8).cpu()
    # pixel by pixel, as libjpeg has them: nothing is copied picture by picture
    files = encode_jpeg(list(pictures.contiguous(memory_format=torch.channels_last)), int(quality))
    shown = torch.stack([decode_jpeg(file).movedim(0, -1) for file in files])
    return shown.to(images).div_(255).movedim(-1, 1)


JPEG_COMPRESSION = Corruption(
    jpeg_compression,
    small=((80,), (65,), (58,), (50,), (40,)),
    medium=((65,), (58,), (50,), (40,), (25,)),
    large=((25,), (18,), (15,), (10,), (7,)),
)
