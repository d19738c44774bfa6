"""COMMAND `attack`: find adversarial perturbations of photographs."""
