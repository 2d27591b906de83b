"""From tables to charts, and to files for download; nothing here knows Streamlit."""
