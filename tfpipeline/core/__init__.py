"""Ground without TensorFlow: files, images, run folders, console, errors."""
