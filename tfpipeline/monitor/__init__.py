"""COMMAND `python -m tfpipeline.monitor`: are pictures still like a run's own?"""
