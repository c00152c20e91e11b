"""Widgets that two pages share: the only folder that imports Streamlit."""
