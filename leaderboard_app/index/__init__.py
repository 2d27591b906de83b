"""What is read of submissions, kept and verified; it knows neither tables nor Streamlit."""
