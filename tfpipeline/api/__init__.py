"""What `import tfpipeline` gives."""
