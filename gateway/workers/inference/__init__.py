"""The inference worker: one YOLO engine for all cameras, newest pictures first."""
