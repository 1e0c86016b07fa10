"""Frames in, alerts out: the YOLO engine, tracking, zones and one rule for each hazard. Knows nothing of the gateway."""
