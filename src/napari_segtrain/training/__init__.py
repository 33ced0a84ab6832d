"""The training loop: plan, events, trainer, checkpoints."""
