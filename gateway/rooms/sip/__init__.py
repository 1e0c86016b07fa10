"""The SIP adapter of ``ConferenceNetwork``: a small user agent on ``sipmessage`` (RFC 3261), for rooms alone."""
