"""What answers: each engine is a LangChain chat model that obeys the contract in ``base``."""
