"""Face detectors behind one protocol, and tracks of faces through a video."""

from w2l.faces.detector import DETECTORS, FaceDetector, Faces, FacesByIndex, build_detector

__all__ = ["DETECTORS", "FaceDetector", "Faces", "FacesByIndex", "build_detector"]
