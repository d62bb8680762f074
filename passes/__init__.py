"""Pure functions that change a model: no data, no loops over data."""
