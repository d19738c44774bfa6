"""Networks of the user's own: a saved Keras model, or a preset of KerasHub."""
