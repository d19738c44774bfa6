"""COMMAND `serve`: versions served by REST and gRPC on this machine."""
