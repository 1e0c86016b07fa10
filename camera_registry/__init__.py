"""Who the cameras are, and whether they are well: discovery, ONVIF, logins, codes, health.

Knows nothing of the gateway: what it needs to keep cameras, it declares in ``ports``.
"""
