"""Which engine measures a run."""

from tfpipeline.evaluate import engine_pass


def test_a_run_is_measured_by_the_engine_that_has_its_features() -> None:
    assert engine_pass.engine_of("auto", "litert") == "litert"
    assert engine_pass.engine_of("auto", "bfloat16") == "tensorflow"
    assert engine_pass.engine_of("auto", "tensorflow") == "auto"
    assert engine_pass.engine_of("tensorflow", "litert") == "tensorflow"
