"""The chat: ask, see the best sentences at once, then the answer, each with its citations."""

import streamlit as st

if "booted" not in st.session_state:
    st.session_state.wanted_page = "pages/chat.py"
    st.switch_page("streamlit_app.py")

from localchat.library.scope import EVERYTHING
from localchat.ui import conversation, scope, welcome
from localchat.ui.resources import localchat

chat = localchat()
conversation_id = conversation.current(chat)

# In this order: what has ended by now is written down by now.
running = chat.running(conversation_id)
turns = chat.conversations.turns(conversation_id)

is_welcome = not turns and welcome.is_due(chat)
if is_welcome:
    welcome.draw(chat)
# In a container it stands below the welcome, else it hangs at the bottom of the window, and the
# page scrolls down to it.
asked_of = EVERYTHING
with st.container() if is_welcome else st.bottom:
    if not is_welcome:
        asked_of = scope.choose(chat, conversation_id)
    question = st.chat_input(
        "Ask your documents", key=f"question-{conversation_id}", disabled=running is not None
    )
if is_welcome and question:
    conversation.ask(chat, conversation_id, question, turns, asked_of)
    st.rerun()
if not turns and not question and not is_welcome:
    question = conversation.empty(chat, asked_of)
if question:
    running = conversation.ask(chat, conversation_id, question, turns, asked_of)
    turns = chat.conversations.turns(conversation_id)

conversation.draw(chat, turns, running)
