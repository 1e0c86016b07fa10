"""The inference worker: one YOLO engine for all cameras, shared out by neglect and urgency."""
