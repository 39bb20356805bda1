"""The plain way: a script over llama-cpp-python's bindings that writes a token, or decodes many.

    python tests/bench/plain_script.py MODEL THREADS TOKENS

It imports nothing of distil. The first token goes to standard output at once; after the last one
the speed of the bare loop, in tokens/s, to standard error.
"""

import ctypes
import sys
import time

import llama_cpp.llama_cpp as llama

PROMPT = b"Once upon a time, in a country far away,"
TOP_K, SEED = 50, 1
END_OF_TEXT = 50256


def main(path: str, threads: int, tokens: int) -> None:
    quiet = llama.llama_log_callback(lambda *_: None)
    llama.llama_log_set(quiet, ctypes.c_void_p(0))
    llama.llama_backend_init()
    model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
    vocabulary = llama.llama_model_get_vocab(model)
    prompt = (llama.llama_token * 64)()
    count = llama.llama_tokenize(vocabulary, PROMPT, len(PROMPT), prompt, 64, True, False)
    params = llama.llama_context_default_params()
    params.n_ctx = count + max(tokens, 128)
    params.n_threads = params.n_threads_batch = threads
    params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
    context = llama.llama_init_from_model(model, params)
    llama.llama_decode(context, llama.llama_batch_get_one(prompt, count))
    sampler = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
    bias = (llama.llama_logit_bias * 1)(llama.llama_logit_bias(END_OF_TEXT, float("-inf")))
    vocabulary_size = llama.llama_vocab_n_tokens(vocabulary)
    llama.llama_sampler_chain_add(
        sampler, llama.llama_sampler_init_logit_bias(vocabulary_size, 1, bias)
    )
    llama.llama_sampler_chain_add(sampler, llama.llama_sampler_init_top_k(TOP_K))
    llama.llama_sampler_chain_add(sampler, llama.llama_sampler_init_dist(SEED))

    start = time.perf_counter()
    token = (llama.llama_token * 1)(llama.llama_sampler_sample(sampler, context, -1))
    piece = ctypes.create_string_buffer(256)
    size = llama.llama_token_to_piece(vocabulary, token[0], piece, 256, 0, False)
    sys.stdout.buffer.write(piece.raw[:size])
    sys.stdout.buffer.flush()
    batch = llama.llama_batch_get_one(token, 1)
    for _ in range(tokens - 1):
        llama.llama_decode(context, batch)
        token[0] = llama.llama_sampler_sample(sampler, context, -1)
    print(tokens / (time.perf_counter() - start), file=sys.stderr)
    llama.llama_free(context)
    llama.llama_model_free(model)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
