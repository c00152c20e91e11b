"""A model server as an engine: any that speaks the protocol of OpenAI."""
