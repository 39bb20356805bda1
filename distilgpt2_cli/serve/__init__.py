"""The OpenAI completions API over HTTP, with Starlette and uvicorn (the extra ``serve``)."""
