"""The processes of the service, each put together from the rooms below: control, camera, inference, room."""
