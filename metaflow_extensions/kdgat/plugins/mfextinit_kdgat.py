"""What Metaflow learns from this project: one step decorator, `--with srun`."""

STEP_DECORATORS_DESC = [("srun", ".srun.decorator.SrunDecorator")]
