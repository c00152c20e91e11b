"""The library: add web pages and files, watch them come in, open them, remove them."""

import streamlit as st

if "booted" not in st.session_state:
    st.session_state.wanted_page = "pages/library.py"
    st.switch_page("streamlit_app.py")

from localchat.ui import adding, collections, source_list
from localchat.ui.models import changing
from localchat.ui.resources import localchat

chat = localchat()

st.title("Library")
st.caption("What LocalChat answers from. Everything stays on this computer.")
adding.draw(chat)
changing.words_alone(chat)
changing.draw(chat)
changing.advice(chat)
source_list.draw(chat)
collections.draw_dialog(chat)
