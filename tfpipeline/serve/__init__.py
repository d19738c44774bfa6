"""COMMAND `serve`: serve exported versions by REST and gRPC on this machine."""
