"""The camera worker: owns its cameras alone; pull, bus, ring, looks, rules, alert journal, viewing."""
