"""Who the cameras are, and whether they are well: discovery, ONVIF, credentials, records, health. Knows nothing of the gateway."""
