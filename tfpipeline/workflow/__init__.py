"""WORKFLOW: joins rooms for the verbs; rooms do not know of it."""
