"""`panglot board`: page set-up and navigation, nothing else."""

from pathlib import Path

import streamlit as st

PAGES = {
    "overview": "Overview",
    "model": "Model",
    "compare": "Compare",
    "queries": "Queries",
    "bias": "Bias",
    "trainer": "Trainer",
    "submit": "Submit",
    "about": "About",
}
HERE = Path(__file__).parent / "app_pages"

st.set_page_config(page_title="Panglot", page_icon="🌐", layout="wide")
st.navigation(
    [st.Page(HERE / f"{name}.py", title=title, default=name == "overview") for name, title in PAGES.items()],
    position="top",
).run()
