"""The method of OpenCV's digits_video sample, for comparison: threshold, contours, HOG and an SVM.

Written anew after its description: each contour of a plausible size is thresholded by the 1 % and
99 % ranks of its patch, straightened by its moments, described by histograms of oriented gradients
(16 bins, four cells, Hellinger's metric) and classified by an SVM with an RBF kernel.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

from edgedigits.data.dataset import Pictures
from edgedigits.device.reading import Box

SIDE = 20
TRAINED_ON = 5_000
U8 = NDArray[np.uint8]


def deskewed(image: U8) -> U8:
    """A picture sheared so that its ink stands upright."""
    moments = cv2.moments(image)
    if abs(moments["mu02"]) < 1e-2:
        return image
    skew = moments["mu11"] / moments["mu02"]
    matrix = np.array([[1, skew, -0.5 * SIDE * skew], [0, 1, 0]], np.float32)
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    return np.asarray(cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=flags), np.uint8)


def features(images: list[U8]) -> NDArray[np.float32]:
    """HOG of each picture, float32 ``[n, 64]``."""
    found = []
    for image in images:
        x, y = cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)
        size, angle = cv2.cartToPolar(x, y)
        bins = np.int32(16 * angle / (2 * np.pi)) % 16
        half = SIDE // 2
        cells = [(slice(0, half), slice(0, half)), (slice(half, None), slice(0, half))]
        cells += [(slice(0, half), slice(half, None)), (slice(half, None), slice(half, None))]
        histogram = np.hstack(
            [np.bincount(bins[c].ravel(), size[c].ravel(), 16) for c in cells]  # type: ignore[index]
        )
        histogram = np.sqrt(histogram / (histogram.sum() + 1e-7))
        found.append(histogram / (np.linalg.norm(histogram) + 1e-7))
    return np.array(found, np.float32)


class DigitsVideo:
    """The sample's recogniser, trained on MNIST."""

    def __init__(self, train: Pictures) -> None:
        assert train.labels is not None
        images = [
            deskewed(cv2.resize(i[4:24, 4:24], (SIDE, SIDE))) for i in train.images[:TRAINED_ON]
        ]
        # OpenCV 5 has no SVM any more; scikit-learn's has the same parameters.
        self._svm = SVC(gamma=5.383, C=2.67)
        self._svm.fit(features(images), train.labels[:TRAINED_ON])

    def read(self, grey: U8) -> list[tuple[int, Box]]:
        """Digits and their boxes, in the order of the contours."""
        binary = cv2.adaptiveThreshold(
            grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 31, 10
        )
        binary = cv2.medianBlur(binary, 3)
        contours, heirs = cv2.findContours(binary, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        boxes, patches = [], []
        for contour, heir in zip(contours, [] if heirs is None else heirs[0], strict=False):
            x, y, w, h = cv2.boundingRect(contour)
            if heir[3] >= 0 or not (16 <= h <= 64 and w <= 1.2 * h):
                continue
            patch = self._patch(grey, x, y, w, h)
            if patch is not None:
                boxes.append(Box(x, y, w, h))
                patches.append(patch)
        if not patches:
            return []
        answers = self._svm.predict(features(patches)).astype(int)
        return list(zip(answers.tolist(), boxes, strict=True))

    def _patch(self, grey: U8, x: int, y: int, w: int, h: int) -> U8 | None:
        pad = max(h - w, 0)
        left = max(0, x - pad // 2)
        part = grey[y : y + h, left : left + w + pad]
        low, high = np.percentile(part, (1, 99))
        if high - low < 10:
            return None
        _, binary = cv2.threshold(part, (low + high) / 2, 255, cv2.THRESH_BINARY_INV)
        share = float((binary > 0).mean())
        if not 0.05 < share < 0.6:
            return None
        size = h
        moments = cv2.moments(binary, binaryImage=True)
        if moments["m00"] == 0:
            return None
        centre = np.array([moments["m10"], moments["m01"]]) / moments["m00"]
        scale = 0.5 * SIDE / size * 1.6
        matrix = np.zeros((2, 3), np.float32)
        matrix[:, :2] = np.eye(2) * scale
        matrix[:, 2] = SIDE / 2 - scale * centre
        return deskewed(np.asarray(cv2.warpAffine(binary, matrix, (SIDE, SIDE)), np.uint8))
