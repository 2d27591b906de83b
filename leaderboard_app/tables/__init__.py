"""From the index to the tables that pages show; nothing here knows Streamlit."""
