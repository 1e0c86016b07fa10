"""What leaves the gateway for other systems, and what comes back from them: outbox, receivers, mapping, inbound."""
