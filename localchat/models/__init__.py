"""What could answer and embed, and what is here: model files, and what this computer can run."""
