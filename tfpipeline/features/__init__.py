"""COMMAND `features`: what each layer extracts from photographs."""
