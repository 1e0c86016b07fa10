"""Frames in, alerts out: the YOLO engine, zones and one rule for each hazard. Knows nothing of the gateway."""
