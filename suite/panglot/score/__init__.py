"""From evidence to scores with intervals."""
