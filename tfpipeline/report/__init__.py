"""COMMAND `report`: rebuild the page of a result, or compare runs."""
