"""8-bit colour JPEG inside DICOM: what the codestream says of its colours, not what the header says."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image


def decode_jpeg_frame(coded: bytes, tagged_rgb: bool) -> np.ndarray:
    """Grey or RGB pixels of one JPEG of three components.

    Scanners write YCbCr and tag it RGB, and the other way round. The codestream's own marks
    go first (JFIF is YCbCr, Adobe says which, subsampled chroma is YCbCr, components named R, G
    and B are RGB). Without any, an image tagged RGB is YCbCr where its second and third component
    stay near 128, as chroma of a grey picture does, and the first does not.

    Args:
        coded: the JPEG. tagged_rgb: the header's PhotometricInterpretation is RGB.

    Returns:
        uint8 [h, w] (the luma) or [h, w, 3] (RGB).
    """
    image = Image.open(BytesIO(coded), formats=("JPEG",))
    if "adobe_transform" in image.info:
        # Pillow obeys the mark.
        return np.asarray(image.convert("RGB"))
    names = [layer[0] for layer in getattr(image, "layer", [])]
    subsampled = any(layer[1:3] != image.layer[0][1:3] for layer in getattr(image, "layer", []))
    jfif = "jfif" in image.info
    if names == [ord("R"), ord("G"), ord("B")]:
        return np.asarray(image.convert("RGB"))
    image.draft("YCbCr", image.size)
    components = np.asarray(image)
    if jfif or subsampled or not tagged_rgb or is_chroma(components):
        return np.ascontiguousarray(components[..., 0])
    return components


def is_chroma(components: np.ndarray) -> bool:
    """Whether the second and third of components [h, w, 3] are a grey picture's chroma: near 128, unlike the first."""
    first, second, third = (components[..., k].astype(np.int16) for k in range(3))
    flat = np.median(np.abs(second - 128)) <= 2 and np.median(np.abs(third - 128)) <= 2
    return bool(flat and np.median(np.abs(first - second)) > 8)
