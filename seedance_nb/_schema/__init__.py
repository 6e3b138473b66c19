"""Any JSON Schema dialect, normalised and validated in bounded work. It knows no provider."""
