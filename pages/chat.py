"""The chat: ask, see the best sentences at once, then the answer, each with its citations."""

import streamlit as st

if "booted" not in st.session_state:
    st.session_state.wanted_page = "pages/chat.py"
    st.switch_page("streamlit_app.py")

from localchat.ui import conversation
from localchat.ui.resources import localchat

chat = localchat()
conversation_id = conversation.current(chat)

# In this order: what has ended by now is written down by now.
running = chat.running(conversation_id)
turns = chat.conversations.turns(conversation_id)

question = st.chat_input(
    "Ask your documents", key=f"question-{conversation_id}", disabled=running is not None
)
if not turns and not question:
    question = conversation.welcome(chat)
if question:
    running = conversation.ask(chat, conversation_id, question, turns)
    turns = chat.conversations.turns(conversation_id)

conversation.draw(chat, turns, running)
