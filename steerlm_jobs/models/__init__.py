"""Models: loading and saving Hugging Face folders, the APM, losses, adapters. No training loop."""
