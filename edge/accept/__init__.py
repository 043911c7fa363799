"""Site acceptance: local cases with pathology through the whole pipeline."""
