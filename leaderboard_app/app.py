"""`panglot board`: page set-up and navigation, nothing else."""

from pathlib import Path

import streamlit as st

from leaderboard_app.store.store import verify_pending
from leaderboard_app.widgets import address
from leaderboard_app.widgets.in_browser import finish_page

PAGES = {
    "home": "Home",
    "choose": "Choose",
    "overview": "By task",
    "field": "Field",
    "languages": "Languages",
    "model": "Model",
    "compare": "Compare",
    "queries": "Queries",
    "bias": "Bias",
    "remedies": "Remedies",
    "trainer": "Trainer",
    "submit": "Submit",
    "about": "About",
}
HERE = Path(__file__).parent

pages = [
    st.Page(HERE / "app_pages" / f"{name}.py", title=title, default=name == "home") for name, title in PAGES.items()
]
st.html(HERE / "style.css")
page = st.navigation(pages, position="hidden")
st.set_page_config(page_title=f"{page.title} · Panglot", page_icon="🌐", layout="wide")
address.begin(page.url_path)
with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
    for other in pages:
        st.page_link(other, query_params=address.carried())
    link = st.container(width="content")
try:
    page.run()
finally:  # also where a page stops early
    with link:
        finish_page(page.url_path, address.query_string(), address.complete_query_string())
    verify_pending()
