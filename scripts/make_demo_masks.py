"""Make preprocess/demo/masks.png: where the demo's portrait is person, hair, clothes.

    PYTHONPATH=.:src python scripts/make_demo_masks.py

Rough outlines drawn by hand are refined by GrabCut. The result is stored, because GrabCut may
cut differently in another version of OpenCV and the demo shall look the same everywhere. Run by
hand, once, with OpenCV 5.0; look at the image after running it again.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from preprocess.demo.portrait import BOTTOM, LEFT, MASKS, RIGHT, TOP, photograph

# Outlines (x, y) in pixels of the photograph.
PERSON = (
    (153, 70), (160, 55), (185, 33), (210, 22), (232, 16), (250, 20), (275, 32), (288, 42),
    (298, 70), (301, 88), (296, 108), (280, 126), (270, 136), (266, 136), (258, 160), (256, 173),
    (275, 185), (300, 225), (310, 240), (345, 260), (360, 300), (20, 420), (30, 280), (90, 235),
    (115, 210), (115, 185), (130, 162), (155, 152), (184, 152), (182, 132), (175, 130),
    (170, 115), (157, 105),
)  # fmt: skip
HAIR = (
    (153, 70), (160, 55), (185, 33), (210, 22), (232, 16), (250, 20), (275, 32), (288, 42),
    (298, 70), (301, 88), (296, 108), (280, 126), (272, 130), (268, 118), (268, 92), (262, 88),
    (245, 84), (225, 81), (205, 80), (188, 78), (185, 92), (181, 108), (178, 120), (170, 115),
    (157, 105),
)  # fmt: skip
CLOTHES = (
    (100, 140), (184, 150), (185, 176), (194, 184.5), (215, 187), (233, 190), (248, 187),
    (254, 179), (256, 170), (400, 200), (400, 300), (40, 300), (40, 200),
)  # fmt: skip


def refined(image: np.ndarray, outline: tuple[tuple[float, float], ...], reach: int) -> np.ndarray:
    """GrabCut's mask, (H, W) uint8 of 0 or 255; it may differ from the outline by `reach` px."""
    cv2.setRNGSeed(0)
    rough = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(rough, [np.array(outline).round().astype(np.int32)], 1)
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    labels = np.where(rough, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[cv2.erode(rough, kernel) > 0] = cv2.GC_FGD
    labels[cv2.dilate(rough, kernel) == 0] = cv2.GC_BGD
    cv2.grabCut(image, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 6, cv2.GC_INIT_WITH_MASK)
    return np.where((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD), 255, 0).astype(np.uint8)


def main() -> None:
    """Write the masks as one image: blue is the person, green the hair, red the clothes."""
    image = photograph()
    person = refined(image, PERSON, reach=6)
    hair = cv2.bitwise_and(refined(image, HAIR, reach=3), person)
    clothes = np.zeros_like(person)
    cv2.fillPoly(clothes, [np.array(CLOTHES).round().astype(np.int32)], 255)
    clothes = cv2.bitwise_and(clothes, person)
    # A little inside the edge, where no light of the old background is left.
    person = cv2.GaussianBlur(cv2.erode(person, np.ones((3, 3), np.uint8)), (0, 0), 0.8)
    hair = cv2.GaussianBlur(cv2.dilate(hair, np.ones((3, 3), np.uint8)), (0, 0), 1.5)
    clothes = cv2.GaussianBlur(clothes, (0, 0), 0.8)
    masks = cv2.merge([person, hair, clothes])[TOP:BOTTOM, LEFT:RIGHT]
    cv2.imwrite(str(MASKS), masks, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(f"{Path(MASKS).name}: {MASKS.stat().st_size} bytes")


if __name__ == "__main__":
    main()
