"""The room worker: members of emergency rooms and the media between them; cameras come to it over RTSP."""
