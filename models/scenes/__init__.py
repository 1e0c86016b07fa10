"""Rendered scenes: streets with fire, a gathering or a stall, drawn with OpenCV, for training and the demo's cameras.

The demo uses other pieces (drawings) and other seeds than training, so that it does not show what was learnt by heart.
Neither says anything about quality on real pictures: that is judged on real ones only.
"""

from models.scenes.scene import Pieces, Scene, SceneKind, SceneLabel

__all__ = ["Pieces", "Scene", "SceneKind", "SceneLabel"]
