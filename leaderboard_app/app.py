"""`panglot board`: page set-up and navigation, nothing else."""

import streamlit as st

st.set_page_config(page_title="Panglot", page_icon="🌐", layout="wide")
st.navigation([st.Page("app_pages/overview.py", title="Overview")]).run()
