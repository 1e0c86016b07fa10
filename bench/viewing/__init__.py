"""The bench ``viewers``: one camera, many viewers, beside Janus; and what a browser sees of it."""
