"""The assistant itself: language server, completion, explanation, engines and the command line."""
