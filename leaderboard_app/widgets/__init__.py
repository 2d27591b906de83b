"""What several pages show alike, and the choices that they share."""
