"""The control process: HTTP doors, events, storage, outbox. Never decodes, never forwards media."""
