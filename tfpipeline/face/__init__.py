"""FACE: what `import tfpipeline` gives: commands as functions, runs as objects."""
