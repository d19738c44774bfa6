"""COMMAND `features`: show what each layer extracts from photographs."""
