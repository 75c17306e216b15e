"""The API: `SteerLMRun` spec and status as frozen values, conditions, reasons, YAML. Pure."""
