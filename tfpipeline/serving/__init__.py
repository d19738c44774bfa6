"""ROOM: a classifier as a SavedModel: signatures, versions, parity, client, server."""
