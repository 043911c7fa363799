"""The cart's service: configuration, reload, readiness and watchdog, logs, and what the doctor looks for."""
